"""Java projects: a runnable jar that Maven or Gradle makes, or sources with a main method and no build file."""

import re

from pilothouse.platform.builds.detect.plan import CannotDetect, Offer
from pilothouse.platform.builds.detect.recipe import APP_USER, COPY_SOURCE, Recipe, apt_install
from pilothouse.platform.builds.detect.tree import Tree

_RELEASE = re.compile(
    r"<(?:maven\.compiler\.(?:release|target|source)|java\.version|release)>\s*(?:1\.)?(\d{1,3})\b|languageVersion[^\d]{0,60}(\d{1,3})\b|sourceCompatibility\D{0,20}(?:1\.)?(\d{1,3})\b"
)


_MAIN = re.compile(r"\bstatic\s+(?:final\s+)?void\s+main\s*\(")
_PACKAGE = re.compile(r"^\s*package\s+([\w.]+)\s*;", re.MULTILINE)
_READS_PORT = re.compile(r"getenv\(\s*\"PORT\"")
_LISTENS = re.compile(r"(?:InetSocketAddress\((?:[^,()]*,)?|ServerSocket\()\s*(\d{2,5})\b")
_SOURCES = ("src/main/java", "src", "")
MAVEN = "mvn $MAVEN_ARGS --batch-mode --quiet"
"""Before 3.9 Maven does not look MAVEN_ARGS up, which names a mirror's settings where one is set."""
BUILD_FILES = ("pom.xml", "build.gradle", "build.gradle.kts")


def is_java(tree: Tree) -> bool:
    return bool(tree.first(*BUILD_FILES)) or (_main_class(tree) != "" and not tree.first("build.xml", "build.sbt", "project.clj"))


def recipe(tree: Tree, offer: Offer) -> Recipe:
    """Raises CannotDetect for a Gradle project without its wrapper, and when the JDK is too old."""
    build_file = tree.first(*BUILD_FILES)
    if not build_file:
        return _plain(tree, offer)
    version = _version(tree, build_file, offer)
    build, jars, tools = _build(tree, build_file)
    lines = (
        f"FROM eclipse-temurin:{version} AS build",
        *tools,
        "WORKDIR /src",
        *build,
        f"RUN {_pick(jars)}",
        "",
        f"FROM eclipse-temurin:{version}",
        "WORKDIR /app",
        APP_USER,
        "COPY --from=build /tmp/app.jar /app/app.jar",
    )
    spring = tree.mentions(re.compile(r"spring-boot|org\.springframework\.boot"), [build_file])
    variables = {"SERVER_ADDRESS": "0.0.0.0"} if spring else {}  # noqa: S104
    command = "SERVER_PORT=$PORT java -jar app.jar" if spring else "java -jar app.jar"
    found = f"{'Spring Boot' if spring else 'the jar'} is run"
    return Recipe("java", lines, command, (f"Java {version}: {build_file}",), found, variables=variables)


def _plain(tree: Tree, offer: Offer) -> Recipe:
    """Compiled by javac, with the jars of `lib/`."""
    version = offer.preferred("eclipse-temurin", "17")
    main, folder = _main_class(tree), _sources(tree)
    jars = tree.has_folder("lib")
    path = "'/app/classes:/app/lib/*'" if jars else "/app/classes"
    libraries = " -cp 'lib/*'" if jars else ""
    lines = (
        f"FROM eclipse-temurin:{version} AS build",
        "WORKDIR /src",
        "COPY . ./",
        f"RUN mkdir /classes && find {folder or '.'} -name '*.java' ! -path '*/test/*' > /tmp/sources && "
        f"javac{libraries} -d /classes @/tmp/sources",
        "",
        f"FROM eclipse-temurin:{version}",
        "WORKDIR /app",
        APP_USER,
        COPY_SOURCE,
        "COPY --from=build /classes /app/classes",
    )
    files = _java_files(tree, folder)
    named = next((int(found[1]) for path_ in files if (found := _LISTENS.search(tree.text(path_)))), None)
    port = None if tree.mentions(_READS_PORT, files) else named
    why = (f"Java {version}: sources without a build file; javac compiles them{' with the jars of lib/' if jars else ''}",)
    where = "the port in PORT" if port is None else f"port {port}"
    return Recipe("java", lines, f"java -cp {path} {main}", why, f"{main} is run, serving on {where}", port)


def _sources(tree: Tree) -> str:
    return next((folder for folder in _SOURCES if _java_files(tree, folder)), "")


def _java_files(tree: Tree, folder: str) -> list[str]:
    start = f"{folder}/" if folder else ""
    return [path for path in tree.ending(".java") if path.startswith(start) and path.count("/") <= 8 and "/test/" not in f"/{path}"][:400]


def _main_class(tree: Tree) -> str:
    """Of the first class with a main method, those called Main, App or Server before others; "" when there is none."""
    files = _java_files(tree, _sources(tree))
    known = ("Main.java", "App.java", "Application.java", "Server.java")
    for path in sorted(files, key=lambda path: (path.rpartition("/")[2] not in known, path.count("/"), path)):
        text = tree.text(path)
        if _MAIN.search(text):
            package = _PACKAGE.search(text)
            name = path.rpartition("/")[2].removesuffix(".java")
            return f"{package[1]}.{name}" if package else name
    return ""


def _version(tree: Tree, build_file: str, offer: Offer) -> str:
    offered = offer.preferred("eclipse-temurin", "17")
    found = _RELEASE.search(tree.text(build_file))
    asked = next((group for group in found.groups() if group), "") if found else ""
    if not asked or int(asked) <= int(offered.split(".")[0]):
        return offered
    if fitting := offer.fitting("eclipse-temurin", f">={asked}"):
        return fitting
    if not offer.exact:
        return asked
    raise CannotDetect(
        f"{build_file} asks for Java {asked}, and the JDK that can be had is {offered}: lower it if the code allows it, "
        "or set a registry with `ph config set registry.mirror HOST`"
    )


def _build(tree: Tree, build_file: str) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    """(lines, where the jars are, lines that bring the tool)."""
    if build_file == "pom.xml":
        # Debian's Maven, since the wrapper fetches one from a host of its own.
        fetch = (
            () if tree.mentions(re.compile("<modules>"), ["pom.xml"]) else ("COPY pom.xml ./", f"RUN {MAVEN} dependency:go-offline || true")
        )
        return (*fetch, "COPY . ./", f"RUN {MAVEN} -DskipTests package"), "target */target", (apt_install("maven"),)
    if not tree.has("gradlew"):
        raise CannotDetect(f"{tree.name} is a Gradle project without its wrapper: add it with `gradle wrapper`, or add a Dockerfile")
    return ("COPY . ./", "RUN sh ./gradlew --no-daemon --quiet assemble"), "build/libs */build/libs", ()


def _pick(folders: str) -> str:
    """Of several jars, the one with dependencies is the largest; sources, documentation and parts are not run."""
    others = " ".join(f"! -name '{pattern}'" for pattern in ("*-sources.jar", "*-javadoc.jar", "*-plain.jar", "original-*"))
    largest = f"find {folders} -name '*.jar' {others} -printf '%s %p\\n' | sort -rn | head -n 1 | cut -d ' ' -f 2-"
    return f'cp "$({largest})" /tmp/app.jar'
