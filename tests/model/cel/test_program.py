"""Rules over values: what the language and Kubernetes' functions answer, and what is refused before any value is seen."""

import time
from typing import Any

import pytest

from pilothouse.model.cel import BudgetExceeded, EvaluationFailed, RuleProblem, as_cel, compile_rule, weigh
from pilothouse.model.json import Object
from pilothouse.model.schema.crd import build

INTEGER, TEXT = {"type": "integer"}, {"type": "string"}
THING: Object = {
    "type": "object",
    "properties": {
        "a": INTEGER,
        "b": INTEGER,
        "n": {"type": "number"},
        "s": TEXT,
        "d": {"type": "string", "format": "duration"},
        "t": {"type": "string", "format": "date-time"},
        "l": {"type": "array", "items": {"type": "object", "properties": {"v": INTEGER}}},
        "li": {"type": "array", "items": INTEGER},
        "m": {"type": "object", "additionalProperties": TEXT},
        "my-x": INTEGER,
        "in": INTEGER,
        "any": {"x-kubernetes-int-or-string": True},
        "free": {"x-kubernetes-preserve-unknown-fields": True},
    },
}


def run(rule: str, value: Any, old: Any = None, schema: Object = THING, **how: Any) -> Any:
    node = build(schema)
    program = compile_rule(rule, node, **how)
    before = None if old is None else as_cel(node, old)
    return program.run(as_cel(node, value), before, weigh([value, old]), has_old=old is not None)


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("self.a < self.b && !has(self.s)", {"a": 1, "b": 2}),
        ("self.m.all(k, k.startsWith('x') && self.m[k] == 'y')", {"m": {"xa": "y"}}),
        ("self.l.exists(x, x.v == 2) && self.l.map(x, x.v).size() == 2", {"l": [{"v": 1}, {"v": 2}]}),
        ("self.d < duration('1h') && self.t > timestamp('2020-01-01T00:00:00Z')", {"d": "30m", "t": "2021-01-01T00:00:00Z"}),
        ("self.n * 2.0 == 2.0", {"n": 1}),
        ("self.my__dash__x == 1 && self.__in__ == 2", {"my-x": 1, "in": 2}),
        ("self.any == 'x' || self.any == 1", {"any": "x"}),
        ("self.?s.orValue('z') == 'z' && self.?a.hasValue()", {"a": 1}),
        ("self.s.split(',').all(x, x.trim() == x) && self.s.lowerAscii() == self.s", {"s": "a,b"}),
        ("self.s.replace('a', 'b').indexOf('c') < 0 && self.s.matches('^[a-z]+$')", {"s": "ab"}),
        ("self.s.find('[0-9]+') == '12' && self.s.findAll('[0-9]')[1] == '2' && self.s.findAll('[0-9]', 1).size() == 1", {"s": "a12"}),
        ("self.li.sum() == 6 && self.li.isSorted() && self.li.max() == 3 && self.li.min() == 1", {"li": [1, 2, 3]}),
        ("self.li.indexOf(2) == 1 && self.li.lastIndexOf(2) == 2 && self.li.indexOf(9) == -1", {"li": [1, 2, 2]}),
        ("isQuantity(self.s) && quantity(self.s).isGreaterThan(quantity('100Mi'))", {"s": "1Gi"}),
        ("quantity('1Ki') == quantity('1024') && quantity('1').add(2).compareTo(quantity('3')) == 0", {}),
        ("quantity('-1').sign() == -1 && quantity('2').asInteger() == 2 && !quantity('1500m').isInteger()", {}),
        ("isIP('::1') && !isIP('01.2.3.4') && ip('::1').family() == 6 && ip('10.0.0.1').isGlobalUnicast()", {}),
        ("ip('127.0.0.1').isLoopback() && ip.isCanonical('::1') && !ip.isCanonical('0::1')", {}),
        ("cidr('10.0.0.0/8').containsIP('10.1.2.3') && !cidr('10.0.0.0/8').containsCIDR('10.0.0.0/7')", {}),
        ("cidr('10.0.0.1/8').masked() == cidr('10.0.0.0/8') && cidr('10.0.0.1/8').prefixLength() == 8 && !isCIDR('x/8')", {}),
        ("cidr('10.0.0.1/8').ip() == ip('10.0.0.1')", {}),
        ("url(self.s).getHost() == 'a.example:80' && url(self.s).getQuery()['q'][0] == '1'", {"s": "http://a.example:80/x?q=1"}),
        (
            "url(self.s).getPort() == '80' && url(self.s).getHostname() == 'a' && url(self.s).getEscapedPath() == '/x'",
            {"s": "http://a:80/x"},
        ),
        ("isURL(self.s) && !isURL('x y') && url(self.s).getScheme() == 'https'", {"s": "https://a"}),
    ],
)
def test_a_rule_holds(rule: str, value: Object) -> None:
    assert run(rule, value) is True


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("self.nope >", "compilation failed: ERROR: <input>:1:12: Syntax error"),
        ("self.nope", "<input>:1:5: undefined field 'nope'\n | self.nope\n | ....^"),
        ("true &&\n self.nope", "<input>:2:6: undefined field 'nope'"),
        ("self.l.all(x, x.nope > 1)", "undefined field 'nope'"),
        ("hasOldSelf", "undeclared reference to 'hasOldSelf'"),
        ("self.free.x == 1", "undefined field 'free'"),
        ("self.a.x == 1", "type 'int' does not support field selection"),
        ("self.s.frobnicate()", "undeclared reference to 'frobnicate'"),
        ("authorizer.path('/x').check('get').allowed()", "undeclared reference to 'authorizer'"),
        ("1 == 'a'", r"found no matching overload for '_==_' applied to '\(int, string\)'"),
        ("self.a", "cel expression must evaluate to a bool"),
        ("'x'", "cel expression must evaluate to a bool"),
        ("(" * 5_000 + "true" + ")" * 5_000, "compilation failed"),
        ("true" + " && true" * 3_000, "too long"),
        ("self.a" + " + 1" * 1_000 + " > 0", "recursion depth"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_before_any_value(rule: str, why: str) -> None:
    with pytest.raises(RuleProblem, match=why):
        run(rule, {})


def test_a_rule_with_very_many_mistakes_is_told_briefly() -> None:
    with pytest.raises(RuleProblem) as refused:
        run(" && ".join(f"nobody{n}" for n in range(1_000)), {})
    assert len(str(refused.value)) < 3_000


def test_a_long_chain_is_a_rule() -> None:
    assert run(" && ".join(f"self.a != {n}" for n in range(1, 500)), {"a": 0}) is True


def test_a_rule_about_a_scalar_knows_its_type() -> None:
    assert run("self > 1", 2, schema=INTEGER)
    with pytest.raises(RuleProblem, match=r"'_==_' applied to '\(string, int\)'"):
        run("self == 1", "x", schema=TEXT)


def test_a_message_must_be_a_text() -> None:
    assert run("'got ' + self.s", {"s": "x"}, wanted="string") == "got x"
    with pytest.raises(RuleProblem, match="messageExpression must evaluate to a string"):
        run("self.a", {"a": 1}, wanted="string")


@pytest.mark.parametrize(
    ("rule", "value", "why"),
    [
        ("self.a < self.b", {"a": 1}, "no such key: b"),
        ("self.m['x'] == 'y'", {"m": {}}, "no such key: x"),
        ("1 / self.a > 0", {"a": 0}, "division by zero"),
        ("1 % self.a > 0", {"a": 0}, "modulus by zero"),
        ("self.li[5] == 1", {"li": [1]}, "index out of bounds: 5"),
        ("self.any > 5", {"any": "x"}, "no such overload"),
        ("self.a + 1 > 0", {"a": 2**63 - 1}, "integer overflow"),
        ("quantity(self.s).sign() == 1", {"s": "x"}, "quantities must match"),
        ("self.li.min() == 1", {"li": []}, "min called on empty list"),
    ],
)
def test_what_has_no_answer_fails_with_the_reason(rule: str, value: Object, why: str) -> None:
    with pytest.raises(EvaluationFailed, match=why):
        run(rule, value)


@pytest.mark.parametrize(("old", "expected"), [(None, True), ({"a": 1}, True), ({"a": 3}, False)])
def test_an_optional_old_value_may_be_absent(old: Object | None, expected: bool) -> None:
    assert run("!oldSelf.hasValue() || oldSelf.value().a <= self.a", {"a": 2}, old, optional_old=True) is expected


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("self.l.all(x, self.l.all(y, self.l.all(z, x.v + y.v + z.v > -1)))", {"l": [{"v": n} for n in range(300)]}),
        ("self.li.all(x, self.s.contains('b') || true)", {"s": "a" * 1_000_000, "li": list(range(9_000))}),
        ("self.li.all(x, self.li.exists(y, x in self.li))", {"li": list(range(50_000))}),
        ("self.li.all(x, x >= 0)", {"li": list(range(100_000))}),
        ("self.s.split('').all(x, self.s.split('').all(y, x == y))", {"s": "a" * 100_000}),
        ("[self.s + self.s].all(a, [a + a].all(b, [b + b].all(c, [c + c].all(d, [d + d].all(e, e != 'x')))))", {"s": "a" * 1_000_000}),
    ],
)
def test_no_rule_holds_everybody_up(rule: str, value: Object) -> None:
    started = time.process_time()
    with pytest.raises(BudgetExceeded):
        run(rule, value)
    assert time.process_time() - started < 2


def test_a_plain_rule_over_a_long_list_is_affordable() -> None:
    assert run("self.l.all(x, x.v >= 0)", {"l": [{"v": n} for n in range(5_000)]}) is True
