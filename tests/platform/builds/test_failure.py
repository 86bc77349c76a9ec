"""The logs are those of buildah 1.28, shortened where it only repeats itself."""

import pytest

from pilothouse.platform.builds.failure import explain

DOCKERFILE = """\
FROM python:3-slim
WORKDIR /app
COPY requirements.txt ./
RUN pip install --no-cache-dir \\
    -r requirements.txt
RUN npm ci
RUN nosuchprogram -x
FORM x
"""
PIP = """\
STEP 1/8: FROM python:3-slim
STEP 2/8: WORKDIR /app
--> Using cache 136ad79f92a3e35f6ee29c1172d718d4eb699c147c2649398b5bf75073921520
--> 136ad79f92a
STEP 3/8: COPY requirements.txt ./
--> 58600209fe8
STEP 4/8: RUN pip install --no-cache-dir     -r requirements.txt
Collecting gunicorn
  Downloading gunicorn-23.0.0-py3-none-any.whl (85 kB)
ERROR: Could not find a version that satisfies the requirement flask==99.0 (from versions: 3.0.0, 3.1.0)
ERROR: No matching distribution found for flask==99.0
[notice] A new release of pip is available: 23.0.1 -> 25.3
subprocess exited with status 1
subprocess exited with status 1
Error: building at STEP "RUN pip install --no-cache-dir     -r requirements.txt": exit status 1
"""
PIP_CERTIFICATE = """\
STEP 4/8: RUN pip install --no-cache-dir     -r requirements.txt
WARNING: Retrying (Retry(total=0)) after connection broken by 'SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] \
certificate verify failed: self-signed certificate in certificate chain (_ssl.c:992)'))': /simple/flask/
Could not fetch URL https://pypi.org/simple/flask/: There was a problem confirming the ssl certificate
ERROR: No matching distribution found for flask==3.1.3
subprocess exited with status 1
Error: building at STEP "RUN pip install --no-cache-dir     -r requirements.txt": exit status 1
"""
NPM = """\
STEP 6/8: RUN npm ci
npm ERR! code E404
npm ERR! 404 Not Found - GET https://registry.npmjs.org/no-such-package-at-all - Not found
npm ERR! 404 'no-such-package-at-all@^1.0.0' is not in this registry.

subprocess exited with status 1
Error: building at STEP "RUN npm ci": exit status 1
"""
NPM_CERTIFICATE = """\
STEP 6/8: RUN npm ci
npm ERR! code SELF_SIGNED_CERT_IN_CHAIN
npm ERR! request to https://registry.npmjs.org/left-pad failed, reason: self-signed certificate in certificate chain
Error: building at STEP "RUN npm ci": exit status 1
"""
COPY = """\
STEP 1/8: FROM python:3-slim
STEP 3/8: COPY requirements.txt ./
Error: building at STEP "COPY requirements.txt ./": checking on sources under "/workspace/source": copier: stat: \
"/requirements.txt": no such file or directory
"""
BASE = """\
STEP 1/8: FROM python:3-slim
Trying to pull 127.0.0.1:5000/bases/docker.io/library/python:3-slim...
time="2026-11-24T21:22:06Z" level=warning msg="Failed, retrying in 2s ... (1/3). Error: initializing source docker://..."
Error: creating build container: initializing source docker://python:3-slim: reading manifest 3-slim in docker.io/library/python: \
manifest unknown: manifest unknown
"""
PROGRAM = """\
STEP 7/8: RUN nosuchprogram -x
/bin/sh: 1: nosuchprogram: not found
subprocess exited with status 127
subprocess exited with status 127
Error: building at STEP "RUN nosuchprogram -x": exit status 127
"""
INSTRUCTION = """\
STEP 8/8: FORM x
time="2026-11-24T21:22:14Z" level=error msg="+(UNHANDLED LOGLEVEL) &imagebuilder.Step{Command:\\"form\\"}"
Error: building at STEP "FORM ": Build error: Unknown instruction: "FORM" &imagebuilder.Step{Env:[]string{"PATH=/bin"}, Command:"form"}
"""
CA_HINT = "set the CA that your mirror uses with `ph config set ca FILE`"


@pytest.mark.parametrize(
    ("log", "start", "hint"),
    [
        (PIP, "Dockerfile line 4: RUN pip install --no-cache-dir     -r requirements.txt: ERROR: No matching distribution found", ""),
        (PIP_CERTIFICATE, "Dockerfile line 4: RUN pip install", CA_HINT),
        (NPM, "Dockerfile line 6: RUN npm ci: npm ERR! 404", ""),
        (NPM_CERTIFICATE, "Dockerfile line 6: RUN npm ci: npm ERR! request to https://registry.npmjs.org/left-pad failed", CA_HINT),
        (COPY, "Dockerfile line 3: COPY requirements.txt ./: the source has no requirements.txt (or .dockerignore leaves it out)", ""),
        (BASE, "Dockerfile line 1: FROM python:3-slim: Error: creating build container: initializing source", "manifest unknown"),
        (PROGRAM, "Dockerfile line 7: RUN nosuchprogram -x: /bin/sh: 1: nosuchprogram: not found", ""),
        (INSTRUCTION, 'Dockerfile line 8: FORM x: Unknown instruction: "FORM"', ""),
    ],
)
def test_the_line_and_the_cause_are_named_in_one_sentence(log: str, start: str, hint: str) -> None:
    found = explain(DOCKERFILE, log)
    assert found.startswith(start)
    assert hint in found
    assert "\n" not in found


def test_steps_of_a_stage_are_found_too() -> None:
    said = "make: *** No rule to make target 'x'.  Stop."
    log = f"[1/2] STEP 1/4: FROM a AS one\n[1/2] STEP 4/4: RUN make\n{said}\nsubprocess exited with status 2\n"
    assert explain("FROM a AS one\nRUN make", log) == f"Dockerfile line 2: RUN make: {said}"


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("", "the build ended before its first step"),
        ("Error: no such file /x", "Error: no such file /x"),
        ("STEP 1/1: RUN x", "Dockerfile: RUN x failed"),
    ],
)
def test_a_log_that_says_little_still_makes_a_sentence(log: str, expected: str) -> None:
    assert explain("FROM a", log) == expected


def test_quotes_in_the_instruction_do_not_hide_its_output() -> None:
    step = 'RUN echo "a": b && exit 1'
    log = f'STEP 2/2: {step}\nE: Unable to locate package nosuch\nError: building at STEP "{step}": exit status 1\n'
    assert explain(f"FROM a\n{step}", log) == f"Dockerfile line 2: {step}: E: Unable to locate package nosuch"
