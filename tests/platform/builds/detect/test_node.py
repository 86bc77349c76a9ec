"""Node projects."""

import json

import pytest

from pilothouse.platform.builds.detect import CannotDetect
from tests.platform.builds.detect.trees import ANYTHING, SEVERAL, copies, found, runs, web

SERVER = "const app = require('express')()\napp.listen(process.env.PORT || 3000)\n"


def project(**fields: object) -> str:
    return json.dumps({"name": "shop", "dependencies": {"express": "4"}, **fields})


def node(extra: dict[str, str | bytes] | None = None, **fields: object) -> dict[str, str | bytes]:
    return {"package.json": project(**fields), "server.js": SERVER, **(extra or {})}


def test_the_whole_dockerfile_of_a_small_server() -> None:
    assert found(node({"package-lock.json": "{}"}, scripts={"start": "node server.js"})).dockerfile == (
        "FROM node:18-slim\n"
        "WORKDIR /app\n"
        "RUN chown 1000:1000 /app\n"
        "ENV NPM_CONFIG_UPDATE_NOTIFIER=false NPM_CONFIG_FUND=false NPM_CONFIG_AUDIT=false NEXT_TELEMETRY_DISABLED=1\n"
        "USER 1000\n"
        "COPY --chown=1000:1000 package.json package-lock.json ./\n"
        "RUN npm ci --omit=dev\n"
        "COPY --chown=1000:1000 . ./\n"
        "ENV PORT=8080 NODE_ENV=production PATH=/app/node_modules/.bin:$PATH\n"
        "EXPOSE 8080\n"
        'CMD ["/bin/bash", "-c", "exec node server.js"]\n'
    )


@pytest.mark.parametrize(
    ("files", "fields", "setup", "install"),
    [
        ({}, {}, "", "npm install"),
        ({"npm-shrinkwrap.json": ""}, {}, "", "npm ci"),
        ({"yarn.lock": "# yarn lockfile v1"}, {}, "npm install --global yarn@1", "yarn install --frozen-lockfile"),
        (
            {"yarn.lock": "__metadata:\n"},
            {"packageManager": "yarn@4.1.0+sha"},
            "npm install --global @yarnpkg/cli-dist@4.1.0",
            "--immutable",
        ),
        ({"pnpm-lock.yaml": "lockfileVersion: '6.0'\n"}, {}, "npm install --global pnpm@8", "pnpm install --frozen-lockfile"),
        ({"pnpm-lock.yaml": "lockfileVersion: '9.0'\n"}, {}, "npm install --global pnpm@9", "pnpm install --frozen-lockfile"),
        ({"pnpm-lock.yaml": ""}, {"packageManager": "pnpm@9.1.2"}, "npm install --global pnpm@9.1.2", "pnpm install --frozen-lockfile"),
        ({"bun.lock": ""}, {}, "npm install --global bun", "bun install --frozen-lockfile"),
    ],
)
def test_the_package_manager_is_the_lock_files(files: dict[str, str | bytes], fields: dict[str, object], setup: str, install: str) -> None:
    lines = runs(found(node(files, **fields)))
    assert not setup or setup in lines
    assert any(install in line for line in lines)


def test_a_build_script_runs_and_leaves_no_development_packages() -> None:
    lines = runs(found(node(scripts={"build": "tsc", "start": "node server.js"}, devDependencies={"typescript": "5"})))
    assert lines[-2:] == ["npm run build", "npm prune --omit=dev"]


def test_development_packages_are_installed_only_where_something_needs_them() -> None:
    assert "npm install --omit=dev" in runs(found(node(devDependencies={"mocha": "1"})))
    assert "npm install" in runs(found(node(scripts={"prepare": "husky"}, devDependencies={"husky": "1"})))
    watched = node({"Procfile": "web: nodemon server.js\n"}, devDependencies={"nodemon": "1"})
    assert "npm install" in runs(found(watched))
    assert not any("prune" in line for line in runs(found(watched)))


def test_a_start_script_with_a_prestart_is_npms() -> None:
    assert web(found(node(scripts={"start": "node server.js", "prestart": "x"}))) == "npm start"


@pytest.mark.parametrize(
    ("source", "start", "port"),
    [
        (SERVER, "node server.js", 8080),
        ("app.listen(3000)", "node server.js", 3000),
        ("const port = 4000; app.listen(port)", "node server.js", 4000),
        ("const { PORT = 3000 } = process.env", "node server.js", 8080),
        ("", "next start -p 3001", 3001),
    ],
)
def test_the_port_is_the_one_that_the_server_names_unless_it_reads_port(source: str, start: str, port: int) -> None:
    assert found(node({"server.js": source}, scripts={"start": start})).port == port


def test_without_a_start_script_the_usual_file_runs() -> None:
    assert web(found(node())) == "node server.js"
    with pytest.raises(CannotDetect, match=r"has no `start` script"):
        found({"package.json": project()})


@pytest.mark.parametrize(
    ("dependency", "folder", "extra"),
    [
        ("vite", "dist", {}),
        ("vite", "out", {"vite.config.ts": "export default { build: { outDir: './out' } }"}),
        ("react-scripts", "build", {}),
        ("@vue/cli-service", "dist", {}),
    ],
)
def test_a_built_site_is_served_by_nginx(dependency: str, folder: str, extra: dict[str, str | bytes]) -> None:
    tree = {"package.json": project(scripts={"build": "x", "start": "vite"}, devDependencies={dependency: "1"}), "index.html": "", **extra}
    detected = found(tree)
    assert detected.language == "static"
    assert f"COPY --from=build /app/{folder} /usr/share/nginx/html/" in copies(detected)
    assert "try_files $uri $uri/ $uri.html /index.html" in detected.dockerfile


def test_next_runs_its_server_or_exports_a_site() -> None:
    fields = {"scripts": {"build": "next build", "dev": "next"}, "dependencies": {"next": "14"}}
    assert web(found({"package.json": project(**fields)})) == "next start"
    exported = found({"package.json": project(**fields), "next.config.js": "module.exports = { output: 'export' }"})
    assert "COPY --from=build /app/out /usr/share/nginx/html/" in copies(exported)


def test_a_version_of_node_that_cannot_be_had_is_warned_of() -> None:
    tree = node(engines={"node": ">=20"})
    assert found(tree).warnings == ("engines in package.json asks for Node >=20; the nearest that can be had is 18, which is used",)
    assert "FROM node:24-slim" in found(tree, ANYTHING).dockerfile
    assert found(node(engines={"node": ">=16 <21"})).warnings == ()


@pytest.mark.parametrize(
    ("files", "version", "said"),
    [
        ({".nvmrc": "# of the day\nv22\n"}, "20", ".nvmrc asks for Node 22; the nearest that can be had is 20, which is used"),
        ({".node-version": "16.1"}, "18", ".node-version asks for Node 16.1; the nearest that can be had is 18, which is used"),
        ({}, "20", ""),
        ({"package-lock.json": '{"x": {"engines": {"node": "^20.19.0 || >=22.12.0"}}, "y": {"engines": {"node": ">=18"}}}'}, "20", ""),
        ({"pnpm-lock.yaml": "  x@1:\n    engines: {node: '>=20'}\n"}, "20", ""),
        ({"package-lock.json": '{"x": {"engines": {"node": ">= 10"}}}'}, "18", ""),
    ],
)
def test_the_version_of_node_is_one_that_the_project_or_its_packages_ask_for(
    files: dict[str, str | bytes], version: str, said: str
) -> None:
    detected = found(node(files), SEVERAL)
    assert f"FROM node:{version}-slim" in detected.dockerfile
    assert detected.warnings == ((said,) if said else ())


def test_a_script_for_production_runs_where_start_is_for_development() -> None:
    scripts = {"build": "nest build", "start": "nest start", "start:prod": "node dist/main"}
    detected = found(node(scripts=scripts, devDependencies={"@nestjs/cli": "11"}))
    assert web(detected) == "node dist/main"
    assert "npm prune --omit=dev" in runs(detected)


def test_a_build_that_writes_beside_the_project_writes_inside_it() -> None:
    config = "export default { build: { outDir: '../backend/static' } }"
    detected = found({"package.json": project(scripts={"build": "vite build"}, devDependencies={"vite": "7"}), "vite.config.ts": config})
    assert "npm run build -- --outDir dist --emptyOutDir" in runs(detected)
    assert "COPY --from=build /app/dist /usr/share/nginx/html/" in copies(detected)


def test_a_site_of_pages_has_a_page_for_what_is_not_there() -> None:
    scripts = {"build": "npx @11ty/eleventy", "start": "npx @11ty/eleventy --serve --quiet"}
    config = 'module.exports = {\n\toutputPath: "/x",\n\tdir: {\n\t\toutput: "_out"\n\t}\n}'
    detected = found({"package.json": project(scripts=scripts, devDependencies={"@11ty/eleventy": "3"}), "eleventy.config.js": config})
    assert "COPY --from=build /app/_out /usr/share/nginx/html/" in copies(detected)
    assert "try_files $uri $uri/ $uri.html =404" in detected.dockerfile


@pytest.mark.parametrize(
    ("packages", "files", "command"),
    [
        ({"@sveltejs/kit": "2", "vite": "7", "@sveltejs/adapter-node": "5"}, {}, "node build"),
        (
            {"astro": "5", "@astrojs/node": "9"},
            {"astro.config.mjs": "export default { output: 'server' }"},
            "HOST=0.0.0.0 node dist/server/entry.mjs",
        ),
    ],
)
def test_a_framework_that_renders_on_request_runs_its_own_server(
    packages: dict[str, str], files: dict[str, str | bytes], command: str
) -> None:
    scripts = {"build": "x", "start": "astro dev"} if "astro" in packages else {"build": "vite build"}
    assert web(found({"package.json": project(scripts=scripts, devDependencies=packages), **files})) == command


def test_an_adapter_for_another_platform_is_named() -> None:
    packages = {"@sveltejs/kit": "2", "vite": "7", "@sveltejs/adapter-vercel": "6"}
    with pytest.raises(CannotDetect, match=r"SvelteKit project with @sveltejs/adapter-vercel, .* take @sveltejs/adapter-node"):
        found({"package.json": project(scripts={"build": "vite build"}, devDependencies=packages)})


def test_a_package_json_that_is_no_json_is_named() -> None:
    with pytest.raises(CannotDetect, match=r"shop/package\.json is not valid JSON"):
        found({"package.json": "{", "index.js": ""})


def test_a_style_sheet_project_beside_python_does_not_hide_it() -> None:
    tree: dict[str, str | bytes] = {
        "requirements.txt": "flask",
        "app.py": "from flask import Flask\napp = Flask('x')\n",
        "package.json": project(scripts={"build": "x"}),
    }
    assert found(tree).language == "python"
