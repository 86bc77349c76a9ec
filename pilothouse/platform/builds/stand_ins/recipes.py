"""The recipes, as data: for each public image its versions in each release of the distribution, its packages, and what
people rely on in it (users, document roots, ports, entrypoints, environment).

A stand-in has the public image's name and interface, not its bytes. Versions are those of the distribution's own packages;
another version of the same program is never called by a name that it does not have.
"""

from collections.abc import Mapping
from importlib import resources

from pilothouse.model.json import Object
from pilothouse.oci.packages.recipe import PATH, Recipe

VERSIONS: Mapping[str, Mapping[str, str]] = {
    "bookworm": {
        "busybox": "1.35",
        "debian": "12",
        "eclipse-temurin": "17",
        "golang": "1.19",
        "httpd": "2.4",
        "mariadb": "10.11",
        "maven": "3.8",
        "memcached": "1.6",
        "nginx": "1.22",
        "node": "18",
        "openjdk": "17",
        "php": "8.2",
        "postgres": "15",
        "python": "3.11",
        "redis": "7.0",
        "ruby": "3.1",
        "rust": "1.63",
    },
    "trixie": {
        "busybox": "1.37",
        "debian": "13",
        "eclipse-temurin": "21",
        "golang": "1.24",
        "httpd": "2.4",
        "mariadb": "11.8",
        "maven": "3.9",
        "memcached": "1.6",
        "nginx": "1.26",
        "node": "20",
        "openjdk": "21",
        "php": "8.4",
        "postgres": "17",
        "python": "3.13",
        "redis": "8.0",
        "ruby": "3.3",
        "rust": "1.85",
    },
    "noble": {"node": "18", "python": "3.12", "ubuntu": "24.04"},
}
"""Release -> image -> its version there. A stable release's versions do not change."""
JAVA = {"bookworm": "17", "trixie": "21"}
POSTGRES = {"bookworm": "15", "trixie": "17"}


_ENTRYPOINT = "/usr/local/bin/docker-entrypoint.sh"
_CA = "ca-certificates"
_COMPILERS = ("build-essential", "curl", "git", "libffi-dev", "libssl-dev", "pkg-config", "zlib1g-dev")
_PYTHON = ("python3", "python3-pip", "python3-venv", _CA)
_PYTHON_HOOKS = (
    'rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED',
    'ln -s /usr/bin/python3 "$1"/usr/local/bin/python3',
    'ln -s python3 "$1"/usr/local/bin/python',
)
_NODE = ("nodejs", "npm", _CA)
_NODE_HOOKS = ('chroot "$1" useradd --uid 1000 --user-group --create-home --shell /bin/bash node',)
_WEB_ROOT = 'mkdir -p "$1"/usr/local/apache2/conf "$1"/usr/local/apache2/htdocs "$1"/usr/local/apache2/logs "$1"/usr/local/apache2/bin'


def _file(name: str) -> str:
    """The text of one of the files that lie beside this module."""
    return resources.files(__package__).joinpath("files", name).read_text()


def _ports(*numbers: int) -> Object:
    return {f"{number}/tcp": {} for number in numbers}


def recipe(family: str, variant: str, suite: str) -> Recipe | None:
    """variant: "" or "slim", or `apache`, `cli`, `fpm` of php, `jdk`, `jre` of a Java. None when there is none."""
    made: Recipe | None = _PLAIN.get((family, variant))
    if made is None and family in _BY_SUITE:
        made = _BY_SUITE[family](variant, suite)
    return made


def _java(variant: str, suite: str) -> Recipe | None:
    if variant not in ("", "slim", "jdk", "jre"):
        return None
    kind = "jre" if variant == "jre" else "jdk"
    home = "/opt/java/openjdk"
    link = (
        f'mkdir -p "$1"/opt/java && ln -s "$(basename "$(ls -d "$1"/usr/lib/jvm/java-{JAVA[suite]}-openjdk-*)")" "$1"/usr/lib/jvm/current'
    )
    hooks = (link, f'ln -s /usr/lib/jvm/current "$1"{home}')
    config: Object = {"Env": [f"JAVA_HOME={home}", f"PATH={home}/bin:{PATH}"]} | ({"Cmd": ["jshell"]} if kind == "jdk" else {})
    return Recipe((f"openjdk-{JAVA[suite]}-{kind}-headless", _CA), hooks, config)


def _maven(variant: str, suite: str) -> Recipe | None:
    java = _java("jdk", suite)
    if java is None or variant not in ("", "slim"):
        return None
    config = java.config | {"Cmd": ["mvn"], "Env": [*java.config["Env"], "MAVEN_HOME=/usr/share/maven"]}
    return Recipe(("maven", "git", *java.packages), java.hooks, config)


def _postgres(variant: str, suite: str) -> Recipe | None:
    if variant:
        return None
    version = POSTGRES[suite]
    hooks = (
        'rm -rf "$1"/var/lib/postgresql/* && mkdir -p "$1"/docker-entrypoint-initdb.d "$1"/var/lib/postgresql/data "$1"/var/run/postgresql',
        'chroot "$1" chown postgres:postgres /var/lib/postgresql /var/lib/postgresql/data /var/run/postgresql',
        'chmod 3777 "$1"/var/run/postgresql',
    )
    config = {
        "Cmd": ["postgres"],
        "Entrypoint": [_ENTRYPOINT],
        "Env": ["PGDATA=/var/lib/postgresql/data", f"PG_MAJOR={version}", f"PATH=/usr/lib/postgresql/{version}/bin:{PATH}"],
        "ExposedPorts": _ports(5432),
        "StopSignal": "SIGINT",
        "Volumes": {"/var/lib/postgresql/data": {}},
    }
    return Recipe((f"postgresql-{version}", f"postgresql-client-{version}"), hooks, config, {_ENTRYPOINT: _file("postgres.sh")})


_NGINX = Recipe(
    ("nginx", "gettext-base", "curl", _CA),
    (
        'chroot "$1" useradd --system --uid 101 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin nginx || '
        'chroot "$1" useradd --system --user-group --no-create-home --shell /usr/sbin/nologin nginx',
        'rm -rf "$1"/etc/nginx/sites-enabled "$1"/etc/nginx/sites-available "$1"/var/www',
        'mkdir -p "$1"/docker-entrypoint.d "$1"/etc/nginx/templates "$1"/var/cache/nginx "$1"/usr/share/nginx/html',
        'ln -sf /dev/stdout "$1"/var/log/nginx/access.log && ln -sf /dev/stderr "$1"/var/log/nginx/error.log',
    ),
    {
        "Cmd": ["nginx", "-g", "daemon off;"],
        "Entrypoint": ["/docker-entrypoint.sh"],
        "ExposedPorts": _ports(80),
        "StopSignal": "SIGQUIT",
    },
    {
        "/docker-entrypoint.sh": _file("nginx.sh"),
        "/etc/nginx/nginx.conf": _file("nginx.conf"),
        "/etc/nginx/conf.d/default.conf": _file("nginx-default.conf"),
        "/usr/share/nginx/html/index.html": _file("index.html"),
    },
)
_HTTPD = Recipe(
    ("apache2", _CA),
    (
        f'{_WEB_ROOT} && ln -s /usr/lib/apache2/modules "$1"/usr/local/apache2/modules',
        'ln -s /usr/sbin/apache2 "$1"/usr/local/apache2/bin/httpd && ln -s /etc/mime.types "$1"/usr/local/apache2/conf/mime.types',
    ),
    {
        "Cmd": ["httpd-foreground"],
        "Env": ["HTTPD_PREFIX=/usr/local/apache2", f"PATH=/usr/local/apache2/bin:{PATH}"],
        "ExposedPorts": _ports(80),
        "StopSignal": "SIGWINCH",
        "WorkingDir": "/usr/local/apache2",
    },
    {
        "/usr/local/apache2/bin/httpd-foreground": _file("httpd-foreground.sh"),
        "/usr/local/apache2/conf/httpd.conf": _file("httpd.conf"),
        "/usr/local/apache2/htdocs/index.html": _file("index.html"),
    },
)
_REDIS = Recipe(
    ("redis-server",),
    ('mkdir -p "$1"/data && chroot "$1" chown redis:redis /data',),
    {
        "Cmd": ["redis-server"],
        "Entrypoint": [_ENTRYPOINT],
        "ExposedPorts": _ports(6379),
        "Volumes": {"/data": {}},
        "WorkingDir": "/data",
    },
    {_ENTRYPOINT: _file("redis.sh")},
)
_MARIADB = Recipe(
    ("mariadb-server",),
    (
        'rm -rf "$1"/var/lib/mysql && mkdir -p "$1"/var/lib/mysql "$1"/run/mysqld "$1"/docker-entrypoint-initdb.d',
        'chroot "$1" chown mysql:mysql /var/lib/mysql /run/mysqld',
    ),
    {"Cmd": ["mariadbd"], "Entrypoint": [_ENTRYPOINT], "ExposedPorts": _ports(3306), "Volumes": {"/var/lib/mysql": {}}},
    {_ENTRYPOINT: _file("mariadb.sh"), "/etc/mysql/mariadb.conf.d/99-stand-in.cnf": _file("mariadb.cnf")},
)
_MEMCACHED = Recipe(
    ("memcached",),
    (),
    {"Cmd": ["memcached", "-u", "memcache", "-l", "0.0.0.0"], "ExposedPorts": _ports(11211)},  # noqa: S104 -- a pod's own
)
_GOLANG = Recipe(
    ("golang-go", "gcc", "g++", "libc6-dev", "make", "pkg-config", "git", _CA),
    ('mkdir -p "$1"/go/src "$1"/go/bin && chmod -R 1777 "$1"/go', 'ln -s /usr/lib/go "$1"/usr/local/go'),
    {"Cmd": ["bash"], "Env": ["GOPATH=/go", "GOTOOLCHAIN=local", f"PATH=/go/bin:/usr/local/go/bin:{PATH}"], "WorkingDir": "/go"},
)
_RUBY = Recipe(
    ("ruby", "ruby-dev", "bundler", _CA, *_COMPILERS),
    ('mkdir -p "$1"/usr/local/bundle && chmod 1777 "$1"/usr/local/bundle',),
    {
        "Cmd": ["irb"],
        "Env": [
            "GEM_HOME=/usr/local/bundle",
            "BUNDLE_SILENCE_ROOT_WARNING=1",
            "BUNDLE_APP_CONFIG=/usr/local/bundle",
            f"PATH=/usr/local/bundle/bin:{PATH}",
        ],
    },
)
_RUST = Recipe(
    ("rustc", "cargo", "gcc", "libc6-dev", "pkg-config", "git", _CA),
    ('mkdir -p "$1"/usr/local/cargo/bin && chmod -R a+w "$1"/usr/local/cargo',),
    {"Cmd": ["bash"], "Env": ["CARGO_HOME=/usr/local/cargo", f"PATH=/usr/local/cargo/bin:{PATH}"]},
)
_PHP = ("php-cli", "php-curl", "php-mbstring", "php-xml", "php-sqlite3", "php-zip", "unzip", "curl", "git", _CA)
_PHP_FILES = {
    "/usr/local/bin/docker-php-ext-install": _file("php-ext-install.sh"),
    "/usr/local/bin/docker-php-ext-enable": _file("php-ext-enable.sh"),
}
_PHP_CLI = Recipe(_PHP, ('ln -s /usr/bin/php "$1"/usr/local/bin/php',), {"Cmd": ["php", "-a"]}, _PHP_FILES)
_PHP_APACHE = Recipe(
    (*_PHP, "apache2", "libapache2-mod-php"),
    (
        'ln -s /usr/bin/php "$1"/usr/local/bin/php && rm -f "$1"/var/www/html/index.html',
        'ln -sf /dev/stdout "$1"/var/log/apache2/access.log && ln -sf /dev/stderr "$1"/var/log/apache2/error.log',
        'ln -sf /dev/stdout "$1"/var/log/apache2/other_vhosts_access.log',
        "printf 'ServerName localhost\\n' >\"$1\"/etc/apache2/conf-enabled/server-name.conf",
    ),
    {
        "Cmd": ["apache2-foreground"],
        "Env": ["APACHE_CONFDIR=/etc/apache2", "APACHE_DOCUMENT_ROOT=/var/www/html"],
        "ExposedPorts": _ports(80),
        "StopSignal": "SIGWINCH",
        "WorkingDir": "/var/www/html",
    },
    {**_PHP_FILES, "/usr/local/bin/apache2-foreground": _file("apache2-foreground.sh")},
)
_PYTHON_SLIM = Recipe(_PYTHON, _PYTHON_HOOKS, {"Cmd": ["python3"]})
_NODE_SLIM = Recipe(_NODE, _NODE_HOOKS, {"Cmd": ["node"]})
_BUSYBOX = Recipe(
    ("busybox-static",),
    (
        'mkdir -p "$1"/bin "$1"/tmp "$1"/etc "$1"/root && chmod 1777 "$1"/tmp',
        '[ -x "$1"/bin/busybox ] || mv "$1"/usr/bin/busybox "$1"/bin/busybox',
        'for name in $("$1"/bin/busybox --list); do [ "$name" = busybox ] || ln -sf busybox "$1"/bin/"$name"; done',
        "printf 'root:x:0:0:root:/root:/bin/sh\\nnobody:x:65534:65534:nobody:/:/bin/false\\n' >\"$1\"/etc/passwd",
        "printf 'root:x:0:\\nnogroup:x:65534:\\n' >\"$1\"/etc/group",
    ),
    {"Cmd": ["sh"]},
    minimal=True,
)
_DISTRIBUTION = Recipe((_CA,), config={"Cmd": ["bash"]})

_PLAIN: dict[tuple[str, str], Recipe] = {
    ("busybox", ""): _BUSYBOX,
    ("debian", ""): _DISTRIBUTION,
    ("debian", "slim"): _DISTRIBUTION,
    ("ubuntu", ""): _DISTRIBUTION,
    ("golang", ""): _GOLANG,
    ("httpd", ""): _HTTPD,
    ("mariadb", ""): _MARIADB,
    ("memcached", ""): _MEMCACHED,
    ("nginx", ""): _NGINX,
    ("node", ""): Recipe((*_NODE, "python3", *_COMPILERS), _NODE_HOOKS, {"Cmd": ["node"]}),
    ("node", "slim"): _NODE_SLIM,
    ("php", ""): _PHP_CLI,
    ("php", "cli"): _PHP_CLI,
    ("php", "apache"): _PHP_APACHE,
    ("python", ""): Recipe((*_PYTHON, "python3-dev", *_COMPILERS), _PYTHON_HOOKS, {"Cmd": ["python3"]}),
    ("python", "slim"): _PYTHON_SLIM,
    ("redis", ""): _REDIS,
    ("ruby", ""): _RUBY,
    ("ruby", "slim"): _RUBY,
    ("rust", ""): _RUST,
    ("rust", "slim"): _RUST,
}
_BY_SUITE = {"eclipse-temurin": _java, "openjdk": _java, "maven": _maven, "postgres": _postgres}

BUILDER = Recipe(("buildah", "crun", "fuse-overlayfs", "netavark", "python3", "git", "curl", "openssh-client", _CA))
"""What builds run in. netavark is looked for by buildah although its steps share the host's network."""
BUILDER_SUITES: Mapping[str, tuple[str, ...]] = {"bookworm": ("trixie", "bookworm"), "trixie": ("trixie",), "noble": ("noble",)}
"""Release of the machine -> releases that the builder is made from, best first: what Dockerfiles may use is the builder's to know."""
