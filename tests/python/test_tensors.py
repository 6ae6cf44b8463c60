"""Tensors of torch, there and back."""

import onward
import onward.rpc as rpc
import pytest
from neighbours import neighbours

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def two():
    with neighbours(__name__):
        yield


@pytest.fixture(params=["node0", "node1"], ids=["itself", "another"])
def to(request, two):
    return request.param


def echo(value):
    return value


def sent_to(to, value):
    return rpc.rpc_sync(to, echo, args=(value,))


def load_torch():
    import torch
    return torch.__version__ and None


@pytest.fixture
def torch(two):
    found = pytest.importorskip("torch")
    rpc.rpc_sync("node1", load_torch)
    return found


def tensor_there(tensor):
    tensor += 0  # it can be written to
    return type(tensor).__name__, str(tensor.dtype), tensor.requires_grad


@pytest.mark.parametrize("dtype", ["bool", "int8", "int16", "int32", "int64", "uint8", "float16", "bfloat16", "float32",
                                   "float64"])
def test_a_tensor_of_each_type(torch, to, dtype):
    for count in (6, 60_000):
        tensor = (torch.arange(count) % 2).reshape(2, -1).to(getattr(torch, dtype))
        back = sent_to(to, tensor)
        assert type(back) is torch.Tensor and back.dtype == tensor.dtype and torch.equal(back, tensor)


def test_tensors_of_any_layout(torch, to):
    for tensor in (torch.tensor(3.0), torch.zeros(0, 3), torch.arange(12).reshape(3, 4).T, torch.arange(10)[::2],
                   torch.nn.Parameter(torch.ones(2, 2))):
        back = sent_to(to, [tensor])[0]
        assert torch.equal(back, tensor.detach()) and not back.requires_grad and back.is_contiguous()
    weights = torch.ones(3, requires_grad=True)
    assert rpc.rpc_sync(to, tensor_there, args=(weights * 2,)) == ("Tensor", "torch.float32", False)


def test_a_sparse_tensor_is_refused(torch):
    with pytest.raises(onward.InvalidArgument, match=r"to_dense\(\)"):
        sent_to("node1", torch.ones(2, 2).to_sparse())
