"""schemathesis over the document that fathom serve publishes: no 500, every answer as documented.
usage: schemathesis_check.py FATHOM [SECONDS]"""

import pathlib
import subprocess
import sys
import tempfile

from support import Server

CHECKS = ("not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
          "response_headers_conformance,allow_header_conformance,unsupported_method")
seconds = sys.argv[2] if len(sys.argv) > 2 else "25"
with tempfile.TemporaryDirectory(prefix="fathom-schemathesis-") as folder:
    # Made-up names mean the one model, so that the requests get further; answers are short.
    server = Server(sys.argv[1], "--any-model", "--max-seconds", "1", "--ledger", f"{folder}/ledger.sqlite")
    tool = pathlib.Path(sys.executable).parent / "schemathesis"
    done = subprocess.run([tool, "run", server.url + "/openapi.json", "--checks", CHECKS, "--max-time", seconds,
                           "--workers", "2", "--continue-on-failure", "--seed", "1", "--warnings", "off"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          cwd=folder, timeout=500, check=False)
    ended = server.stop()
if done.returncode != 0 or ended != 0:
    print(done.stdout[-8000:])
    print(f"the server ended with {ended}")
cases = [line.strip() for line in done.stdout.splitlines() if "generated" in line and "passed" in line]
print(f"{cases[-1] if cases else 'no cases'}; {1 if done.returncode == ended == 0 else 0} passed,"
      f" {0 if done.returncode == ended == 0 else 1} failed")
sys.exit(done.returncode or ended)
