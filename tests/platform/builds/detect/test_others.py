"""Static sites, compiled languages, and what is refused."""

import pytest

from pilothouse.platform.builds.detect import CannotDetect, Offer
from tests.platform.builds.detect.trees import ANYTHING, DEBIAN, SEVERAL, copies, found, runs, web

Tree = dict[str, str | bytes]
MAIN = 'package main\nfunc main() { http.ListenAndServe(":"+os.Getenv("PORT"), nil) }\n'


@pytest.mark.parametrize(("path", "copied"), [("index.html", "."), ("public/index.html", "public"), ("dist/index.html", "dist")])
def test_a_static_site_is_served_by_nginx(path: str, copied: str) -> None:
    detected = found({path: "<h1>", "a.css": ""}, port=9000)
    assert copies(detected) == [f"COPY {copied} /usr/share/nginx/html/"]
    assert "listen 9000;" in detected.dockerfile
    assert detected.port == 9000
    assert found({path: "<h1>"}).port == 80


def test_a_static_site_shows_no_hidden_files() -> None:
    assert "location ~ /\\.(?!well-known) { return 404; }" in found({"index.html": ""}).dockerfile


def test_a_go_program_is_built_from_its_vendored_modules() -> None:
    module = "module example.org/shop\ngo 1.19\nrequire github.com/x/y v1.0.0\n"
    detected = found({"go.mod": module, "vendor/modules.txt": "", "cmd/shop/main.go": MAIN, "cmd/other/main.go": MAIN})
    assert "-mod=vendor" in runs(detected)[0]
    assert runs(detected)[0].endswith("./cmd/shop")
    assert detected.port == 8080
    fetched = found({"go.mod": module, "main.go": MAIN.replace('os.Getenv("PORT")', '""')})
    assert "go mod download" in runs(fetched)
    assert "its 1 modules are fetched" in fetched.why[0]


def test_the_port_of_a_go_program_is_the_one_that_it_names() -> None:
    assert found({"go.mod": "module x\n", "main.go": 'package main\nfunc main() { http.ListenAndServe(":9090", nil) }\n'}).port == 9090


def test_a_go_version_that_the_toolchain_cannot_read_is_refused() -> None:
    with pytest.raises(CannotDetect, match=r"go.mod asks for Go 1.22.1, and the newest toolchain that can be had is 1.19"):
        found({"go.mod": "module x\ngo 1.22.1\n", "main.go": MAIN})
    assert "FROM golang:1.22 AS build" in found({"go.mod": "module x\ngo 1.22.1\n", "main.go": MAIN}, ANYTHING).dockerfile


def test_a_rust_program_is_built_and_run_without_its_toolchain() -> None:
    detected = found({"Cargo.toml": '[package]\nname = "shop"\n', "Cargo.lock": "", "src/main.rs": 'bind("0.0.0.0:3000")'})
    assert "cargo build --release --locked --bin shop" in runs(detected)[0]
    assert (web(detected), detected.port) == ("app", 3000)


@pytest.mark.parametrize(
    ("tree", "place"),
    [
        ({"Cargo.toml": '[package]\nname = "x"\nedition = "2024"\n'}, "edition 2024 in Cargo.toml needs Rust 1.85"),
        ({"Cargo.toml": '[package]\nname = "x"\nrust-version = "1.70"\n'}, "rust-version in Cargo.toml needs Rust 1.70"),
        ({"Cargo.toml": '[package]\nname = "x"\n', "Cargo.lock": "version = 4\n"}, "the format of Cargo.lock needs Rust 1.78"),
    ],
)
def test_a_crate_is_built_by_a_toolchain_that_reads_it(tree: Tree, place: str) -> None:
    tree |= {"src/main.rs": ""}
    bases = [line for line in found(tree, SEVERAL).dockerfile.splitlines() if line.startswith("FROM ")]
    assert bases == ["FROM rust:1.85 AS build", "FROM debian:trixie-slim"]
    with pytest.raises(CannotDetect, match=f"{place}, and the toolchain that can be had is 1.63"):
        found(tree)


def test_the_versions_of_php_and_ruby_are_those_that_the_project_allows() -> None:
    php: Tree = {"composer.json": '{"require": {"php": "^8.3"}}', "public/index.php": ""}
    assert "FROM php:8.4-apache" in found(php, SEVERAL).dockerfile
    with pytest.raises(CannotDetect, match=r"composer.json asks for PHP \^8.3, and the image that can be had is php:8.2-apache"):
        found(php)
    assert "FROM ruby:3.3" in found({"Gemfile": 'ruby ">= 3.2"\n', "config.ru": ""}, SEVERAL).dockerfile


def test_a_php_site_is_served_from_public() -> None:
    detected = found({"composer.json": '{"require": {"php": ">=8", "ext-gd": "*", "ext-json": "*"}}', "public/index.php": ""})
    assert "DocumentRoot /var/www/html/public" in detected.dockerfile
    assert detected.warnings == ("composer.json asks for the PHP extensions gd: what the image lacks has to come from a Dockerfile",)


def test_rails_and_rack_are_served_by_puma() -> None:
    rails = found({"Gemfile": 'gem "rails"\ngem "puma"\ngem "propshaft"\n', "config.ru": "", "db/migrate/1.rb": ""})
    assert web(rails) == "bundle exec puma --bind tcp://0.0.0.0:$PORT"
    assert rails.processes["release"].line == "bundle exec rails db:migrate"
    assert web(found({"Gemfile": 'gem "sinatra"\n', "config.ru": ""})) == "bundle exec puma --bind tcp://0.0.0.0:$PORT config.ru"


def test_a_maven_project_runs_its_jar() -> None:
    pom = "<properties><java.version>17</java.version></properties><artifactId>spring-boot-starter</artifactId>"
    detected = found({"pom.xml": pom})
    assert "mvn $MAVEN_ARGS --batch-mode --quiet -DskipTests package" in runs(detected)
    assert web(detected) == "SERVER_PORT=$PORT java -jar app.jar"
    with pytest.raises(CannotDetect, match="asks for Java 21, and the JDK that can be had is 17"):
        found({"pom.xml": pom.replace("17", "21")})


MAIN_JAVA = "package shop; class Main { public static void main(String[] a) { new InetSocketAddress(9000); } }"


def test_java_sources_with_a_main_method_need_no_build_file() -> None:
    detected = found({"src/shop/Main.java": MAIN_JAVA, "src/shop/Shelf.java": "package shop; class Shelf {}", "lib/json.jar": ""})
    assert "find src -name '*.java'" in detected.dockerfile
    assert "javac -cp 'lib/*' -d /classes" in detected.dockerfile
    assert web(detected) == "java -cp '/app/classes:/app/lib/*' shop.Main"
    assert detected.port == 9000
    reads = MAIN_JAVA.replace("9000", 'Integer.parseInt(System.getenv("PORT"))')
    assert found({"Main.java": reads}).port == 8080


def test_of_several_go_toolchains_the_newest_is_the_one_that_a_refusal_names() -> None:
    with pytest.raises(CannotDetect, match=r"asks for Go 1.25.0, and the newest toolchain that can be had is 1.24: write `go 1.24`"):
        found({"go.mod": "module x\ngo 1.25.0\n", "main.go": MAIN}, SEVERAL)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({}, "shop is empty"),
        ({"notes.txt": ""}, "no project of a kind that is known here"),
        ({"api/package.json": "{}", "web/index.html": ""}, "is it one of its folders, such as `ph deploy shop/api`?"),
        ({"docker-compose.yml": ""}, "docker-compose.yml: `ph compose up` reads it"),
        ({"Shop.csproj": ""}, r"is a .NET project \(Shop.csproj\)"),
        ({"mix.exs": ""}, "is an Elixir project"),
        ({"environment.yml": ""}, "is a Conda project"),
        ({"build.gradle": ""}, "Gradle project without its wrapper"),
        ({"go.mod": "module x\n", "lib.go": "package lib\n"}, "a Go module without a program"),
        ({"Cargo.toml": "[package]\nname='x'\n", "src/lib.rs": ""}, "a Rust crate without a program"),
        ({"Main.java": ""}, "Java sources \\(Main.java\\) and nothing that says how to build them: add a pom.xml"),
        ({"main.go": MAIN}, "Go sources .* add a go.mod"),
        ({"src/main.rs": ""}, "Rust sources .* add a Cargo.toml"),
        ({"config.ru": ""}, "Ruby sources .* add a Gemfile"),
        ({"server.js": ""}, "Node sources .* add a package.json"),
        ({"gulpfile.js": "", "web/package.json": "{}"}, "such as `ph deploy shop/web`"),
    ],
)
def test_what_is_not_known_is_refused_in_one_sentence(tree: Tree, message: str) -> None:
    with pytest.raises(CannotDetect, match=message):
        found(tree)


def test_a_script_beside_a_site_that_serves_nothing_leaves_it_a_static_site() -> None:
    assert found({"index.html": "", "main.py": "print('made')\n"}).language == "static"
    serves = "import http.server\nhttp.server.HTTPServer(('', 8000), None).serve_forever()\n"
    assert found({"index.html": "", "main.py": serves}).language == "python"


@pytest.mark.parametrize(
    "tree", [{"index.html": ""}, {"go.mod": "module x\n", "main.go": MAIN}, {"app.py": "import http.server as h\nh.HTTPServer()\n"}]
)
def test_nothing_is_found_without_a_reason(tree: Tree) -> None:
    assert all(found(tree, Offer({**DEBIAN.versions})).why)


@pytest.mark.parametrize(
    ("tree", "image"),
    [
        (
            {"pyproject.toml": "[project]\nname='x'\nrequires-python = '>=3.12'\n", "app.py": "import http.server as h\nh.HTTPServer()\n"},
            "python:3.13-slim",
        ),
        ({"package.json": '{"engines": {"node": "^20.1"}}', "index.js": ""}, "node:20-slim"),
        ({"go.mod": "module x\ngo 1.22.1\n", "main.go": MAIN}, "golang:1.24 "),
        ({"pom.xml": "<java.version>21</java.version>"}, "eclipse-temurin:21 "),
    ],
)
def test_of_several_versions_the_first_that_fits_is_taken(tree: Tree, image: str) -> None:
    assert found(tree, SEVERAL).dockerfile.startswith(f"FROM {image}")
