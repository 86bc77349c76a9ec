"""Kinds of projects that are recognised and cannot be built without a Dockerfile: one sentence each."""

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


def refusal(tree: Tree) -> str:
    """What the tree is and what it takes; "" for a kind that nobody here knows."""
    for name, files, suffixes in _KINDS:
        named = (path for path in tree.ending(*suffixes) if path.count("/") <= 2) if suffixes else iter(())
        found = tree.first(*files) or next(named, "")
        if found:
            kind = f"{'an' if name[0] in 'AE' else 'a'} {name} project ({found})"
            return f"{tree.name} is {kind}, and no toolchain for it is known here: add a Dockerfile whose FROM brings one"
    return ""
