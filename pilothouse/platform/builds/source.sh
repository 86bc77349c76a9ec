# First container of a build pod: brings the source into /workspace and says which base images the build needs.
# What the user gave arrives in variables only; nothing of it is ever read as shell text.
set -eu
fail() {
    echo "$1" >&2
    printf '%s' "$1" >/dev/termination-log
    exit 1
}
mkdir -p /workspace/source
cd /workspace/source
if [ -n "$GIT_URL" ]; then
    python3 -I /opt/pilothouse/build.pyz clone
else
    echo "fetching the source"
    curl --silent --show-error --fail --location "$SOURCE_URL" --output /workspace/source.tar.gz 2>/workspace/curl.log ||
        fail "the source cannot be fetched from the registry: $(tail -n 1 /workspace/curl.log)"
    tar --extract --gzip --no-same-owner --file /workspace/source.tar.gz
    rm /workspace/source.tar.gz
fi
case /$CONTEXT/ in */../*) fail "the path $CONTEXT leads out of the source" ;; esac
[ -d "./$CONTEXT" ] || fail "the source has no folder $CONTEXT"
cd "./$CONTEXT"
if [ -n "$INLINE" ]; then
    printf '%s\n' "$INLINE" >/workspace/Dockerfile
elif [ "$DOCKERFILE" = Dockerfile ] && [ ! -e ./Dockerfile ]; then
    python3 -I /opt/pilothouse/build.pyz detect
else
    case /$DOCKERFILE/ in */../*) fail "the path $DOCKERFILE leads out of the source" ;; esac
    [ -f "./$DOCKERFILE" ] || fail "the source has no file $DOCKERFILE"
    cp "./$DOCKERFILE" /workspace/Dockerfile
fi
exec python3 -I /opt/pilothouse/build.pyz prepare
