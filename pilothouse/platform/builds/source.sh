# First container of a build pod: brings the source into /workspace and says which base images the build needs.
# What the user gave arrives in variables only; nothing of it is ever read as shell text.
set -eu
WORKSPACE=$(realpath "${WORKSPACE:-/workspace}")
PROGRAM=${PROGRAM:-/opt/pilothouse/build.pyz}
fail() {
    echo "$1" >&2
    printf '%s' "$1" >"${TERMINATION:-/dev/termination-log}"
    exit 1
}
mkdir -p "$WORKSPACE/source"
cd "$WORKSPACE/source"
if [ -n "$GIT_URL" ]; then
    python3 -I "$PROGRAM" clone
else
    echo "fetching the source"
    # The registry is the platform's own: no proxy of the environment leads to it.
    curl --noproxy '*' --silent --show-error --fail --location "$SOURCE_URL" --output "$WORKSPACE/source.tar.gz" 2>"$WORKSPACE/curl.log" ||
        fail "the source cannot be fetched from the registry: $(tail -n 1 "$WORKSPACE/curl.log")"
    tar --extract --gzip --no-same-owner --file "$WORKSPACE/source.tar.gz"
    rm "$WORKSPACE/source.tar.gz"
fi
case /$CONTEXT/ in */../*) fail "the path $CONTEXT leads out of the source" ;; esac
[ -d "./$CONTEXT" ] || fail "the source has no folder $CONTEXT"
cd "./$CONTEXT"
# A source may hold links to the builder's own files.
case $(pwd -P)/ in "$WORKSPACE"/source/*) ;; *) fail "the path $CONTEXT leads out of the source" ;; esac
if [ -n "$INLINE" ]; then
    printf '%s\n' "$INLINE" >"$WORKSPACE/Dockerfile"
elif [ "$DOCKERFILE" = Dockerfile ] && [ ! -e ./Dockerfile ]; then
    python3 -I "$PROGRAM" detect
else
    case /$DOCKERFILE/ in */../*) fail "the path $DOCKERFILE leads out of the source" ;; esac
    [ -f "./$DOCKERFILE" ] || fail "the source has no file $DOCKERFILE"
    case $(realpath "./$DOCKERFILE") in "$WORKSPACE"/source/*) ;; *) fail "the path $DOCKERFILE leads out of the source" ;; esac
    cp "./$DOCKERFILE" "$WORKSPACE/Dockerfile"
fi
exec python3 -I "$PROGRAM" prepare
