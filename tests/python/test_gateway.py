"""examples/python-gateway, in front of a node of this process."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import onward.rpc as rpc
from world import free_port, processes

pytest.importorskip("aiohttp")

GATEWAY = Path(__file__).resolve().parents[2] / "examples/python-gateway/gateway.py"


def my_add_2(a, b):
    return a + b


def fail():
    raise KeyError("no such thing")


@pytest.fixture
def gateway():
    rpc.register(my_add_2, "my_add_2")
    rpc.register(fail, "fail")
    url = f"tcp://127.0.0.1:{free_port()}"
    rpc.init_rpc("worker", listen=url)
    with processes() as started:
        started.append(subprocess.Popen([sys.executable, str(GATEWAY), url, "0"], stdout=subprocess.PIPE, text=True))
        where = started[0].stdout.readline().split("/call/")[0]
        yield where
    rpc.shutdown()


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_answers_are_json(gateway):
    assert get(f"{gateway}/call/my_add_2?args=[1,2]") == (200, {"result": 3})


def test_errors_are_those_of_http(gateway):
    status, answer = get(f"{gateway}/call/nothing?args=[]")
    assert status == 404 and "nothing" in answer["error"]
    assert get(f"{gateway}/call/fail") == (500, {"error": "KeyError('no such thing')"})
    assert get(f"{gateway}/call/fail?args=oops")[0] == 400
