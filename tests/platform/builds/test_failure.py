"""The logs are what the programs said, shortened where they only repeat themselves."""

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


MAVEN_PARENT = """[ERROR] [ERROR] Some problems were encountered while processing the POMs:
[FATAL] Non-resolvable parent POM for x: {0}
[ERROR] The build could not read 1 project -> [Help 1]
[ERROR]     Non-resolvable parent POM for x: {0} -> [Help 2]
"""
BUNDLER_OFFLINE = """There was an error installing the locked bundler version (4.0.5), rerun with the `--verbose` flag for more details.
Could not reach host index.rubygems.org. Check your network connection and try
again.
"""
COMPOSER_OFFLINE = """    Failed to download psr/log from dist: curl error 6: Could not resolve host: api.github.com
    error: cannot run ssh: No such file or directory
    fatal: unable to fork
"""


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


FLAT = """\
  error: subprocess-exited-with-error

  \u00d7 Getting requirements to build wheel did not run successfully.
  \u2502 exit code: 1
  \u2570\u2500> [14 lines of output]
      error: Multiple top-level packages discovered in a flat-layout: ['app', 'migrations'].

      To avoid accidental inclusion of unwanted files or directories,
      [end of output]

  note: This error originates from a subprocess, and is likely not a problem with pip.
error: subprocess-exited-with-error
\u2570\u2500> See above for output.
"""
WHEEL = """\
Building wheels for collected packages: x
      running build_ext
      x.c:1:10: fatal error: Python.h: No such file or directory
      error: command '/usr/bin/gcc' failed with exit code 1
  ERROR: Failed building wheel for x
ERROR: Could not build wheels for x, which is required to install pyproject.toml-based projects
"""
NO_LOCK = """\
npm error code EUSAGE
npm error
npm error The `npm ci` command can only install with an existing package-lock.json or
npm error npm-shrinkwrap.json with lockfileVersion >= 1. Run an install with npm@5 or
npm error Clean install a project
"""
NO_SCRIPT = 'npm error Missing script: "build"\nnpm error\nnpm error To see a list of scripts, run:'
MODULE = "node:internal/x:1210\n  throw err;\n\nError: Cannot find module '/app/nosuch.js'\n    at Module._load (x)\nNode.js v20.20.2"
TSC = "> tsc\n\nsrc/a.ts(3,7): error TS2322: Type 'string' is not assignable to type 'number'.\nnpm error Lifecycle script `build`"
GCC = "gcc -c a.c\na.c:1:20: error: 'x' undeclared (first use in this function)\nmake: *** [Makefile:2: all] Error 1"
GO = "go: downloading golang.org/x/net v0.1.0\n# demo\n./main.go:4:2: undefined: foo"
GO_MODULE = "main.go:3:8: no required module provides package github.com/a/b; to add it:\n\tgo get github.com/a/b"
CARGO = """\
   Compiling demo v0.1.0 (/app)
warning: unused variable: `error`
error[E0425]: cannot find value `x` in this scope
 --> src/main.rs:1:13
error: could not compile `demo` (bin "demo") due to 1 previous error
"""
MAVEN = """\
[INFO] BUILD FAILURE
[ERROR] COMPILATION ERROR :
[ERROR] /app/src/main/java/A.java:[3,5] cannot find symbol
[ERROR] Failed to execute goal org.apache.maven.plugins:maven-compiler-plugin:3.8:compile (default-compile) on project a
[ERROR] To see the full stack trace of the errors, re-run Maven with the -e switch.
"""
JAVAC = "M.java:2: error: ';' expected\n int x = 1\n          ^\n1 error"
APT = "Reading package lists...\nE: Unable to locate package nosuch\nE: Sub-process /usr/bin/dpkg returned an error code (1)"
YARN = 'yarn install v1.22.19\nerror Couldn\'t find package "nosuch" on the "npm" registry.\ninfo Visit https://yarnpkg.com/en/docs/cli/install'
PNPM = ' ERR_PNPM_OUTDATED_LOCKFILE  Cannot install with "frozen-lockfile" because pnpm-lock.yaml is not up to date'
COMPOSER = """\
Your requirements could not be resolved to an installable set of packages.

  Problem 1
    - Root composer.json requires php ^8.3 but your php version (8.2.29) does not satisfy that requirement.
"""
BUNDLER = "Fetching gem metadata\nCould not find gem 'nosuch' in rubygems repository https://rubygems.org/ or installed locally."
UV = "  \u00d7 No solution found when resolving dependencies:\n  \u2570\u2500> Because nosuch was not found in the package registry"
TRACEBACK = """\
Traceback (most recent call last):
  File "/app/manage.py", line 22, in <module>
ModuleNotFoundError: No module named 'whitenoise'

During handling of the above exception, another exception occurred:
django.core.exceptions.ImproperlyConfigured: x
"""
PIP_DNS = """\
WARNING: Retrying (Retry(total=4)) after connection broken by '[Errno -3] Temporary failure in name resolution': /simple/x/
ERROR: Could not find a version that satisfies the requirement x (from versions: none)
ERROR: No matching distribution found for x
"""
PIP_PYTHON = """\
ERROR: Ignored the following versions that require a different python version: 6.0 Requires-Python >=3.12; 6.0.1 Requires-Python >=3.12
ERROR: Could not find a version that satisfies the requirement django<6.1,>=6.0 (from versions: 1.1.3, 5.2.8)
ERROR: No matching distribution found for django<6.1,>=6.0
"""
RETRIED = PIP_DNS.splitlines()[0] + "\nDownloading x\n" + GCC
REFUSED = "curl: (7) Failed to connect to example.org port 443: Connection refused"
HEAP = "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory"
FULL = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        (FLAT, "error: Multiple top-level packages discovered in a flat-layout: ['app', 'migrations']."),
        (WHEEL, "x.c:1:10: fatal error: Python.h: No such file or directory"),
        (
            "ERROR: Could not open requirements file: [Errno 2] No such file or directory: 'base.txt'",
            "the requirements name a file base.txt",
        ),
        ("ERROR: Package 'x' requires a different Python: 3.11.2 not in '>=3.12'", "ERROR: Package 'x' requires a different Python"),
        (UV, "\u00d7 No solution found when resolving dependencies:"),
        (NO_LOCK, "npm error The `npm ci` command can only install with an existing package-lock.json or npm-shrinkwrap.json with"),
        (NO_SCRIPT, 'npm error Missing script: "build"'),
        (MODULE, "Error: Cannot find module '/app/nosuch.js'"),
        (TSC, "src/a.ts(3,7): error TS2322: Type 'string'"),
        (YARN, 'error Couldn\'t find package "nosuch"'),
        (PNPM, "ERR_PNPM_OUTDATED_LOCKFILE  Cannot install"),
        (GCC, "a.c:1:20: error: 'x' undeclared"),
        (GO, "./main.go:4:2: undefined: foo"),
        (GO_MODULE, "main.go:3:8: no required module provides package github.com/a/b"),
        (CARGO, "error[E0425]: cannot find value `x` in this scope (src/main.rs:1:13)"),
        (MAVEN, "[ERROR] /app/src/main/java/A.java:[3,5] cannot find symbol"),
        (JAVAC, "M.java:2: error: ';' expected"),
        (APT, "E: Unable to locate package nosuch"),
        (COMPOSER, "- Root composer.json requires php ^8.3 but your php version (8.2.29)"),
        (BUNDLER, "Could not find gem 'nosuch'"),
        (TRACEBACK, "ModuleNotFoundError: No module named 'whitenoise'"),
        (PIP_DNS, "ERROR: Could not find a version that satisfies the requirement x (from versions: none) (the network was not reached"),
        (PIP_PYTHON, "no version of django<6.1,>=6.0 is for the image's Python; those left out ask for Python >=3.12: name another"),
        (RETRIED, "a.c:1:20: error: 'x' undeclared"),
        (REFUSED, "curl: (7) Failed to connect to example.org port 443: Connection refused (the network was not reached"),
        (HEAP, "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory (the memory ran out"),
        (FULL, "the disk is full: ERROR: Could not install packages"),
        (
            MAVEN_PARENT.format("Could not find artifact a:b:pom:1 in mirror (https://m/)"),
            "[FATAL] Non-resolvable parent POM for x: Could not find",
        ),
        (
            MAVEN_PARENT.format("Could not transfer artifact a:b:pom:1: repo: Unknown host repo"),
            "[FATAL] Non-resolvable parent POM for x: Could not transfer artifact a:b:pom:1: repo: Unknown host repo (the network was not",
        ),
        (BUNDLER_OFFLINE, "Could not reach host index.rubygems.org. Check your network connection and try (the network was not reached"),
        (COMPOSER_OFFLINE, "Failed to download psr/log from dist: curl error 6: Could not resolve host: api.github.com (the network"),
        ("npm error code E401\nnpm error Incorrect or missing password.", "npm error Incorrect or missing password. (a login was refused"),
        (
            "WARNING: 401 Error, Credentials not correct for https://x/\nERROR: No matching distribution",
            "WARNING: 401 Error, Credentials not",
        ),
        ("User for x:443: ERROR: Exception:\nEOFError: EOF when reading a line", "User for x:443: ERROR: Exception: (a login was refused"),
        ("Picked up JAVA_TOOL_OPTIONS: -Dx=error\na.c:1:20: error: 'x' undeclared", "a.c:1:20: error: 'x' undeclared"),
        ("Collecting x\n/bin/sh: 1: nosuch: not found", "/bin/sh: 1: nosuch: not found"),
        ("all is well\nthe end", "the end"),
    ],
)
def test_the_first_error_of_a_program_is_the_cause(output: str, cause: str) -> None:
    log = f'STEP 2/2: RUN x\n{output}\nsubprocess exited with status 1\nError: building at STEP "RUN x": exit status 1\n'
    assert explain("FROM a\nRUN x", log).startswith(f"Dockerfile line 2: RUN x: {cause}")


@pytest.mark.parametrize(
    ("step", "start"),
    [
        ("RUN pip install -r requirements.txt", "installing the dependencies failed: E: broken"),
        ("RUN --mount=type=cache,target=/root/.npm npm ci", "installing the dependencies failed: E: broken"),
        ("RUN apt-get update && apt-get install -y gcc", "installing system packages failed: E: broken"),
        ("RUN npm run build", "building the app failed: E: broken"),
        ("RUN find . -name '*.java' > /tmp/sources && javac -d /classes @/tmp/sources", "building the app failed: E: broken"),
        ("RUN mvn $MAVEN_ARGS --batch-mode --quiet -DskipTests package", "building the app failed: E: broken"),
        ("RUN useradd app", "the step `useradd app` failed: E: broken"),
        ("COPY . ./", "copying the source failed: E: broken"),
        ("FROM python:3-slim", "getting the base image python:3-slim failed: E: broken"),
    ],
)
def test_without_a_dockerfile_of_the_users_a_step_is_named_by_its_purpose(step: str, start: str) -> None:
    log = f"STEP 1/1: {step}\nE: broken\n"
    assert explain(step, log, is_generated=True) == start


def test_a_build_that_was_killed_says_that_the_memory_ran_out() -> None:
    log = 'STEP 1/1: RUN x\nworking\nError: building at STEP "RUN x": while running runtime: exit status 137\n'
    assert explain("RUN x", log).startswith("Dockerfile line 1: RUN x: it was killed (the memory ran out")


def test_a_missing_secret_names_the_way_out() -> None:
    step = "RUN --mount=type=secret,id=token,required=true x"
    log = (
        f'STEP 1/1: {step}\nError: building at STEP "{step}": resolving mountpoints: secret required but no secret with id "token" found\n'
    )
    assert "it asks for the secret token, and builds get no secrets here: make the mount required=false" in explain(step, log)
