"""The images that the suite asks for, made here under its names: no public registry is asked, and none has to be in reach.

Programs are upstream's own where the suite's sources have them (agnhost and its kin), Debian's else (httpd, nginx, redis, etcd; dnsmasq as
CoreDNS), busybox as it is. Servers serve from the document roots of the public images: specs move index.html away from there and expect
them to fail.
"""

from collections.abc import Iterator
from pathlib import Path

from pilothouse.engine.node.images.archive import ImageContent, busybox_layer, make_layer, write_images
from pilothouse.model.json import Object

E2E, PROMOTED, LIBRARY, UPSTREAM = "gcr.io/kubernetes-e2e-test-images", "k8s.gcr.io/e2e-test-images", "docker.io/library", "k8s.gcr.io"
BUILT = "k8s.gcr.io/build-image"
HTDOCS, NGINX_ROOT = "usr/local/apache2/htdocs", "usr/share/nginx/html"
PAGE = b"<html><body><h1>It works!</h1></body></html>\n"
PATH = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
BUSYBOX_NAMES = ("ping", "ifconfig", "route", "telnet", "traceroute", "vi")
"""What Alpine has, which the public images are made from, and our Debian file system has not. Debian's busybox stands in, the one with
shared libraries: the static one ends with a fault when it looks up a name."""

COREDNS = """#!/bin/sh
# coredns -conf FILE, for a file with a `hosts` block that has its entries itself.
sed -n '/hosts {/,/}/p' "$2" | sed '1d;$d' >/run/coredns.hosts
exec dnsmasq --keep-in-foreground --user=root --no-resolv --no-hosts --addn-hosts=/run/coredns.hosts --log-facility=- --log-queries
"""
"""For the agnhost image, whose CoreDNS the sources have not. Without --user=root it would ask for capabilities that containers have not."""
APACHE = f"""
ServerRoot "/etc/apache2"
ServerName localhost
TypesConfig /dev/null
PidFile "/run/httpd.pid"
Listen 80
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
LoadModule mime_module /usr/lib/apache2/modules/mod_mime.so
User www-data
Group www-data
DirectoryIndex index.html
DocumentRoot "/{HTDOCS}"
ErrorLog /proc/self/fd/2
"""
NGINX = f"""
user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log stderr;
events {{}}
http {{
  access_log /dev/stdout;
  server {{ listen 80; root /{NGINX_ROOT}; index index.html; }}
}}
"""


def write_suite_images(path: Path, cache: Path) -> None:
    """An archive of all of them. cache: as scripts/conformance fills it."""
    write_images(path, list(_images(cache)))


def _images(cache: Path) -> Iterator[ImageContent]:
    root = (cache / "root.tar").read_bytes()
    agnhost = _agnhost(cache, root)
    yield from (_busybox(f"{LIBRARY}/busybox:1.29", {}), _busybox(f"{E2E}/nonroot:1.0", {"User": "1234"}))
    yield ImageContent(
        f"{UPSTREAM}/pause:3.2", [make_layer({"pause": Path("/usr/bin/catatonit").read_bytes()}, {})], {"Entrypoint": ["/pause", "-P"]}
    )
    yield ImageContent(f"{PROMOTED}/agnhost:2.21", agnhost, {"Entrypoint": ["/agnhost"], "Cmd": ["pause"], "Env": PATH})
    for name in ("nautilus", "kitten"):
        data = (cache / "go/src/k8s.io/kubernetes/test/images" / name / "html/data.json").read_bytes()
        shown = make_layer({"data.json": data}, {}, {"data.json": 0o644})
        yield ImageContent(f"{E2E}/{name}:1.0", [*agnhost, shown], {"Entrypoint": ["/agnhost"], "Cmd": ["test-webserver"], "Env": PATH})
    yield from _servers(root)
    yield from _programs(cache, root)


def _busybox(name: str, config: Object) -> ImageContent:
    return ImageContent(name, [busybox_layer()], {"Cmd": ["sh"], "Env": PATH, **config})


def _agnhost(cache: Path, root: bytes) -> list[bytes]:
    porter = cache / "go/src/k8s.io/kubernetes/test/images/agnhost/porter"
    files = {
        "agnhost": (cache / "bin/agnhost").read_bytes(),
        "coredns": COREDNS.encode(),
        "uploads/.keep": b"",
    }
    files |= {name: (porter / name).read_bytes() for name in ("localhost.crt", "localhost.key")}
    links = {"agnhost-2": "agnhost", "usr/local/bin/iperf": "/usr/bin/iperf"} | {
        f"usr/local/bin/{name}": "/bin/busybox" for name in BUSYBOX_NAMES
    }
    return [root, make_layer(files, links)]


def _servers(root: bytes) -> Iterator[ImageContent]:
    httpd = make_layer({"etc/httpd.conf": APACHE.encode(), f"{HTDOCS}/index.html": PAGE}, {})
    nginx = make_layer({"etc/nginx.conf": NGINX.encode(), f"{NGINX_ROOT}/index.html": PAGE}, {})
    for version in ("2.4.38-alpine", "2.4.39-alpine"):
        command = ["/usr/sbin/apache2", "-D", "FOREGROUND", "-f", "/etc/httpd.conf"]
        yield ImageContent(f"{LIBRARY}/httpd:{version}", [root, httpd], {"Cmd": command, "Env": PATH})
    for version in ("1.14-alpine", "1.15-alpine"):
        command = ["nginx", "-c", "/etc/nginx.conf", "-g", "daemon off;"]
        yield ImageContent(f"{LIBRARY}/nginx:{version}", [root, nginx], {"Cmd": command, "Env": PATH})
    etcd = make_layer({}, {"usr/local/bin/etcd": "/usr/bin/etcd"})
    yield ImageContent(f"{UPSTREAM}/etcd:3.4.13-0", [root, etcd], {"Cmd": ["etcd"], "Env": PATH})
    yield ImageContent(f"{LIBRARY}/redis:5.0.5-alpine", [root], {"Cmd": ["redis-server", "--protected-mode", "no"], "Env": PATH})
    for name in (f"{LIBRARY}/perl:5.26", f"{E2E}/jessie-dnsutils:1.0", f"{E2E}/ipc-utils:1.0"):
        yield ImageContent(name, [root], {"Cmd": ["sh"], "Env": PATH})
    yield ImageContent(f"{BUILT}/debian-iptables:buster-v1.3.0", [root], {"Cmd": ["sh"], "Env": PATH})


def _programs(cache: Path, root: bytes) -> Iterator[ImageContent]:
    def layer(*names: str, mode: int = 0o755, folder: str = "") -> bytes:
        return make_layer(
            {folder + name: (cache / "bin" / name).read_bytes() for name in names}, {}, {folder + name: mode for name in names}
        )

    yield ImageContent(f"{E2E}/nonewprivs:1.0", [root, layer("nnp", mode=0o6755, folder="usr/local/bin/")], {"Cmd": ["nnp"], "Env": PATH})
    yield ImageContent(f"{E2E}/resource-consumer:1.5", [root, layer("consumer", "consume-cpu")], {"Entrypoint": ["/consumer"], "Env": PATH})
    yield ImageContent(
        f"{E2E}/sample-apiserver:1.17", [root, layer("sample-apiserver")], {"Entrypoint": ["/sample-apiserver"], "Env": PATH}
    )
    # The suite asks for 1.0, which found out the pod's address by itself; the sources have the version that is told it.
    told = 'POD_IP="$(hostname -I | cut -d " " -f 1)" exec /regression-issue-74839'
    yield ImageContent(
        f"{E2E}/regression-issue-74839-amd64:1.0",
        [root, layer("regression-issue-74839")],
        {"Entrypoint": ["/bin/sh", "-c", told], "Env": PATH},
    )
