"""What a wheel must do where it is installed, run by `./dev wheel --check`. Its last line is `N passed, N failed`."""

import operator
from pathlib import Path

import onward
import onward.rpc as rpc

place = Path(onward.__file__).resolve()
assert "installed" in place.parts, f"this is another one: {place}"
rpc.init_rpc(config={"name": "me", "modules": [{"name": "rfc", "dst": "me"}], "log": {"level": "error"}})
assert rpc.rpc_sync("me", operator.add, (1, 2)) == 3
assert rpc.rpc_sync("me", "rfc.my_add_3", (1, 2, 3)) == 6
rpc.shutdown()
print("1 passed, 0 failed")
