"""Trees that are recognised and cannot be built as they are: one sentence each."""

from pilothouse.platform.builds.detect.tree import Tree

_KINDS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    (".NET", ("global.json",), (".csproj", ".fsproj", ".vbproj", ".sln")),
    ("Elixir", ("mix.exs",), ()),
    ("Erlang", ("rebar.config",), ()),
    ("Clojure", ("project.clj",), ()),
    ("Scala", ("build.sbt",), ()),
    ("Haskell", ("stack.yaml",), (".cabal",)),
    ("Swift", ("Package.swift",), ()),
    ("Crystal", ("shard.yml",), ()),
    ("Dart", ("pubspec.yaml",), ()),
    ("Zig", ("build.zig",), ()),
    ("Deno", ("deno.json", "deno.jsonc", "deno.lock"), ()),
    ("Conda", ("environment.yml", "environment.yaml"), ()),
    ("Hugo", ("hugo.toml", "hugo.yaml"), ()),
    ("C or C++", ("CMakeLists.txt",), ()),
)

_BUILD_FILES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("Go", (".go",), "a go.mod (`go mod init NAME` makes it)"),
    ("Java", (".java",), "a pom.xml, or a build.gradle with its wrapper,"),
    ("Rust", (".rs",), "a Cargo.toml (`cargo init` makes it)"),
    ("Ruby", (".rb", ".ru"), "a Gemfile (`bundle init` makes it)"),
    ("PHP", (".php",), "an index.php"),
    ("Node", (".js", ".mjs", ".cjs", ".ts"), "a package.json (`npm init` makes it)"),
)
"""Languages that can be built once the file is there that says how."""
_SOURCE_FOLDERS = ("", "src", "app")


def refusal(tree: Tree) -> str:
    """What the tree is and what it takes; "" for a kind that nobody here knows."""
    for name, files, suffixes in _KINDS:
        named = (path for path in tree.ending(*suffixes) if path.count("/") <= 2) if suffixes else iter(())
        found = tree.first(*files) or next(named, "")
        if found:
            kind = f"{'an' if name[0] in 'AE' else 'a'} {name} project ({found})"
            return f"{tree.name} is {kind}, and no toolchain for it is known here: add a Dockerfile whose FROM brings one"
    return ""


def without_build_file(tree: Tree) -> str:
    """For sources of a language that is known here, which file they lack; "" when there are none."""
    sources = [path for folder in _SOURCE_FOLDERS for path in tree.inside(folder)]
    for language, suffixes, needed in _BUILD_FILES:
        if found := next((path for path in sources if path.endswith(suffixes)), ""):
            return f"{tree.name} has {language} sources ({found}) and nothing that says how to build them: add {needed} or a Dockerfile"
    return ""
