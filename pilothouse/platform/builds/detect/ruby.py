"""Ruby projects with a Gemfile: Rails and Rack applications, served by Puma."""

import re

from pilothouse.platform.builds.detect import versions
from pilothouse.platform.builds.detect.plan import Offer
from pilothouse.platform.builds.detect.recipe import APP_USER, COPY_SOURCE, Recipe
from pilothouse.platform.builds.detect.tree import Tree

_GEM = re.compile(r"^\s*gem\s+[\"']([\w-]+)[\"']", re.MULTILINE)
_LOCKED = re.compile(r"^    ([\w-]+) \(", re.MULTILINE)
_RUBY = re.compile(r"^\s*ruby\s+[\"']([^\"']+)[\"']", re.MULTILINE)
PUMA = "puma --bind tcp://0.0.0.0:$PORT"


def is_ruby(tree: Tree) -> bool:
    return tree.has("Gemfile")


def recipe(tree: Tree, offer: Offer) -> Recipe:
    version, warnings = _version(tree, offer)
    gems = set(_GEM.findall(tree.text("Gemfile"))) | set(_LOCKED.findall(tree.text("Gemfile.lock")))
    rails = "rails" in gems or "railties" in gems
    command, how = _command(tree, gems, rails)
    assets = (
        ["RUN SECRET_KEY_BASE_DUMMY=1 SECRET_KEY_BASE=only-for-assets bundle exec rails assets:precompile"]
        if rails and gems & {"sprockets-rails", "propshaft"}
        else []
    )
    puma = [] if "puma" in gems or not command.startswith("bundle exec puma") else ["RUN bundle add puma --skip-install && bundle install"]
    lines = (
        f"FROM ruby:{version}",
        "WORKDIR /app",
        APP_USER,
        "ENV BUNDLE_WITHOUT=development:test BUNDLE_PATH=/usr/local/bundle",
        "ENV RACK_ENV=production RAILS_ENV=production RAILS_LOG_TO_STDOUT=1 RAILS_SERVE_STATIC_FILES=1",
        "COPY Gemfile Gemfile.lock* ./",
        "RUN bundle install",
        *puma,
        COPY_SOURCE,
        *assets,
        *(["RUN mkdir -p tmp log && chown -R app:app tmp log"] if rails else []),
    )
    processes = {"release": "bundle exec rails db:migrate"} if rails and tree.has_folder("db/migrate") else {}
    why = (f"Ruby {version}: Gemfile",)
    missing = f"{tree.name} is a Ruby project without config.ru: add a Procfile with `web: bundle exec COMMAND`, or a Dockerfile"
    return Recipe("ruby", lines, command, why, how, processes=processes, missing=missing, warnings=warnings)


def _version(tree: Tree, offer: Offer) -> tuple[str, tuple[str, ...]]:
    offered = offer.preferred("ruby", "3")
    found = _RUBY.search(tree.text("Gemfile"))
    asked = tree.text(".ruby-version").strip().removeprefix("ruby-") or (found[1] if found else "")
    exact = re.fullmatch(r"\d+(?:\.\d+)*", asked)
    # A stand-in's patch number is its distribution's.
    wanted = ".".join(asked.split(".")[:2]) if exact else asked
    if not wanted or versions.allows(wanted, offered):
        return offered, ()
    if fitting := offer.fitting("ruby", wanted):
        return fitting, ()
    if not offer.exact:
        return (asked if exact else offered), ()
    return offered, (f"the project asks for Ruby {asked}; the image that can be had is {offered}, which is used",)


def _command(tree: Tree, gems: set[str], rails: bool) -> tuple[str, str]:
    if rails:
        config = " -C config/puma.rb" if tree.has("config/puma.rb") else ""
        return f"bundle exec {PUMA}{config}", "Rails, served by Puma; migrations run before each rollout"
    if tree.has("config.ru"):
        return f"bundle exec {PUMA} config.ru", "Rack: config.ru, served by Puma"
    script = tree.first("app.rb", "main.rb", "server.rb")
    if script and "sinatra" in gems:
        return f"bundle exec ruby {script} -o 0.0.0.0 -p $PORT", f"Sinatra: {script} is run"
    return "", ""
