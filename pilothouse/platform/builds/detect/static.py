"""Static sites: files that nginx serves, as they are or as a build leaves them."""

from pilothouse.platform.builds.detect.recipe import Recipe
from pilothouse.platform.builds.detect.tree import Tree

NGINX = "nginx:stable"
ROOT = "/usr/share/nginx/html"
FOLDERS = ("", "public", "dist", "build", "_site", "www", "htdocs", "site", "html")


def site_folder(tree: Tree) -> str | None:
    """The folder that has index.html; "" is the root, None when there is none."""
    return next((folder for folder in FOLDERS if tree.has(f"{folder}/index.html" if folder else "index.html")), None)


def recipe(tree: Tree, folder: str, port: int) -> Recipe:
    where = f"{folder}/index.html" if folder else "index.html"
    build = (f"FROM {NGINX}", *serve(port, single_page=False), f"COPY {folder or '.'} {ROOT}/")
    own_404 = " and 404.html for what is not there" if tree.has(f"{folder}/404.html" if folder else "404.html") else ""
    return Recipe("static", build, NGINX_COMMAND, (), f"static site: {where}, served by nginx{own_404}", port, user="")


NGINX_COMMAND = "nginx -g 'daemon off;'"


def serve(port: int, *, single_page: bool) -> tuple[str, ...]:
    """Lines that make nginx serve ROOT on a port; single_page: paths without a file get index.html. Hidden files are not served."""
    otherwise = "/index.html" if single_page else "=404"
    lines = (
        "server {",
        f"    listen {port};",
        f"    root {ROOT};",
        "    gzip on;",
        "    gzip_types text/css text/javascript application/javascript application/json image/svg+xml;",
        "    error_page 404 /404.html;",
        f"    location / {{ try_files $uri $uri/ $uri.html {otherwise}; }}",
        "    location ~ /\\.(?!well-known) { return 404; }",
        "    location ~ ^/(Dockerfile|Procfile|app\\.json|docker-compose\\.ya?ml)$ { return 404; }",
        "}",
    )
    quoted = " ".join(f"'{line}'" for line in lines)
    return (f"RUN printf '%s\\n' {quoted} > /etc/nginx/conf.d/default.conf",)
