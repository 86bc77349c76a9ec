"""Rules over values: what the language and Kubernetes' functions answer, and what is refused before any value is seen."""

from typing import Any

import pytest

from pilothouse.model.cel import BudgetExceeded, EvaluationFailed, RuleCompiler, RuleProblem, as_cel, weigh
from pilothouse.model.json import Object
from pilothouse.model.schema.crd import build
from tests.cpu import takes_under

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


DOUBLED = "[[1, 1]]" + ".map(x, [x, x])" * 12
"""A list that is small in memory and long to go through."""


def run(rule: str, value: Any, old: Any = None, schema: Object = THING, *, optional_old: bool = False, wanted: str = "rule") -> Any:
    node = build(schema)
    compiled = getattr(RuleCompiler(node), wanted)(rule, optional_old=optional_old)
    return compiled.run(as_cel(node, value), None if old is None else as_cel(node, old), weigh([value, old]))


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
        ("!format.dns1123Label().validate(self.s).hasValue() && format.uuid().validate(')').value().size() == 1", {"s": "a-b"}),
        (
            "format.named('dns1035Label').value().validate(self.s).value()[0].contains('DNS-1035') && !format.named('x').hasValue()",
            {"s": "1"},
        ),
        ("semver('1.2.3-alpha.9').isLessThan(semver('1.2.3-alpha.10')) && semver('1.2.3-x').isLessThan(semver('1.2.3'))", {}),
        ("semver('v01.2', true) == semver('1.2.0') && isSemver('1.2.3+b') && !isSemver('1.2') && semver('4.5.6').minor() == 5", {}),
        ("string(ip('0::1')) == '::1' && string(cidr('10.0.0.1/8').masked()) == '10.0.0.0/8' && type(ip('::1')) == net.IP", {}),
        ("[quantity('1'), quantity('2')].exists(q, q == quantity('2000m'))", {}),
        (
            "self.li.all(i, v, v == i + 1) && self.m.exists(k, v, k == v) && self.li.transformList(i, v, i * v)[1] == 2",
            {"li": [1, 2], "m": {"a": "a"}},
        ),
        ("self.m.transformMap(k, v, k + v) == {'a': 'ab', 'c': 'cd'}", {"m": {"a": "b", "c": "d"}}),
        ("self.m.transformMap(k, v, v != 'b', [v, {'x': v}])['c'][1].x == 'd'", {"m": {"a": "b", "c": "d"}}),
        ("self.li.transformMap(i, v, v * 2)[1] == 8 && self.li.transformMap(i, v, v).all(k, v, v > 2)", {"li": [3, 4]}),
        ("self.m.transformMapEntry(k, v, {v: k}) == {'b': 'a'}", {"m": {"a": "b"}}),
        ("self.li.transformMapEntry(i, v, i > 0, {v: i}) == {4: 1}", {"li": [3, 4]}),
        ("[duration('1s')].transformMap(i, v, v + v)[0] == duration('2s')", {}),
        ("self.m.transformMap(k, v, {k: v}.transformMap(a, b, b)).a.a == 'b'", {"m": {"a": "b"}}),
        ("[timestamp('2020-01-02T00:00:00Z')].transformMap(i, v, v)[0].getDate() == 2", {}),
        ("[quantity('1')].transformMap(i, v, v)[0] == quantity('1000m')", {}),
        ("self.li.exists_one(i, v, v == 4 && [i, i].size() == 2) && self.li.exists_one(x, x == 3)", {"li": [3, 4]}),
        ("self.li.existsOne(i, v, v == 4) && 'a.exists_one(i, v, v)' != \"exists_one (1, 2, 3)\"", {"li": [3, 4]}),
        ("[duration('2s'), duration('1s')].max() == duration('2s') && [duration('2s'), duration('1s')].sum() == duration('3s')", {}),
        ("[timestamp('2020-01-01T00:00:00Z')].min() == timestamp('2020-01-01T00:00:00Z')", {}),
        ("optional.unwrap([optional.of(1), optional.none()]) == [1] && [optional.of('a')].unwrapOpt() == ['a']", {}),
        ("[1, 2].first().value() == 1 && [1, 2].last().orValue(3) == 2 && lists.range(3).sortBy(x, -x) == [2, 1, 0]", {}),
        ("sets.contains(self.li, [2]) && sets.equivalent(self.li, [2, 1]) && self.li.distinct().sort() == [1, 2]", {"li": [2, 1, 2]}),
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
        ("self.free.x == 1", "undefined field 'free'"),
        ("self.a.x == 1", "type 'int' does not support field selection"),
        ("self.s.frobnicate()", "undeclared reference to 'frobnicate'"),
        ("authorizer.path('/x').check('get').allowed()", "undeclared reference to 'authorizer'"),
        ("1 == 'a'", r"found no matching overload for '_==_' applied to '\(int, string\)'"),
        ("self.a == 'x'", r"<input>:1:8: found no matching overload for '_==_' applied to '\(int, string\)'"),
        ("self.l[0].v + self.s == 1", r"'_\+_' applied to '\(int, string\)'"),
        ("self.m.all(k, v, v == 1)", r"'_==_' applied to '\(string, int\)'"),
        ("self.t < self.d", r"'_<_' applied to"),
        ("quantity('1') == '1'", r"'_==_' applied to '\(kubernetes.Quantity, string\)'"),
        ("quantity('1').isGreaterThan(semver('1.0.0'))", r"'isGreaterThan' applied to '\(kubernetes.Quantity, kubernetes.Semver\)'"),
        ("quantity('1').amount == '1'", "undefined field 'amount'"),
        ("self.s.matches('a(')", "<input>:1:15: invalid matches argument"),
        ("self.m.transformMap(k, v, v + 1).size() == 1", r"'_\+_' applied to '\(string, int\)'"),
        ("self.any", "cel expression must evaluate to a bool"),
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


@pytest.mark.parametrize(
    "rule",
    [
        *(
            "[1].indexOf(optional.of(1)) == -1",
            "[optional.of(1)].isSorted()",
            "[optional.none()].sum() == 0",
            "[optional.of(1)].max() == 1",
        ),
        *("[dyn(1)].indexOf(dyn(optional.of(1))) == 0", "[1, optional.of(1)].lastIndexOf(1) == 0", "[self.any, optional.of(1)].sum() == 0"),
        *(
            "([dyn(1)] + [optional.of(1)]).indexOf(1) == 0",
            "[{'a': optional.of(1)}].indexOf(1) == 0",
            "[[optional.of(1)]].flatten().min() == 1",
        ),
        *("self.m.transformMap(k, v, optional.of(v)).size() == 1", "self.m.transformMap(k, v, dyn(optional.of(v))).size() == 1"),
        *("self.m.transformMapEntry(k, v, {k: optional.of(v)}).size() == 1", "[dyn(self.?a)].map(x, x).indexOf(1) == 0"),
        "optional.unwrap([optional.of(dyn(optional.of(1)))]).indexOf(1) == 0",
    ],
)
def test_an_optional_value_that_would_end_the_process_is_refused_where_it_is_written(rule: str) -> None:
    with pytest.raises(RuleProblem, match=r"takes no optional values: take what is in them by value\(\) or orValue\(\) first"):
        run(rule, {"a": 1, "m": {"a": "b"}})


def test_what_is_in_an_optional_value_may_be_looked_for() -> None:
    assert run("[self.?a.orValue(1)].indexOf(optional.of(1).value()) == 0 && self.?a.hasValue()", {"a": 1})


def test_a_key_that_is_made_twice_is_an_error() -> None:
    with pytest.raises(EvaluationFailed, match="insert failed: key x already exists"):
        run("self.m.transformMapEntry(k, v, {'x': v}).size() == 1", {"m": {"a": "b", "c": "d"}})


@pytest.mark.parametrize(
    "rule",
    [
        *("lists.range(9000).transformMap(i, v, v).size() == 9000", "lists.range(self.a).transformMap(i, v, v).size() == 9000"),
        *("self.li.transformMap(i, v, v).size() == 2000", "(self.li + self.li + self.li).transformMapEntry(i, v, {i: v}).size() == 6000"),
        *("lists.range(9000).all(i, self.s.contains('b' + string(i)))", "lists.range(9000).map(i, i).size() == 9000"),
        *("self.l.transformMap(i, v, [v, v]).size() == 1000", f"{DOUBLED} == {DOUBLED}", f"{DOUBLED}.transformMap(i, v, v).size() == 1"),
    ],
)
def test_a_map_or_a_list_that_is_too_long_to_make_is_not_begun(rule: str) -> None:
    value = {"a": 9000, "li": list(range(2000)), "s": "a" * 100_000, "l": [{"v": 1}] * 1000}
    with takes_under(1), pytest.raises(BudgetExceeded):
        run(rule, value)


def test_a_long_chain_is_a_rule() -> None:
    assert run(" && ".join(f"self.a != {n}" for n in range(1, 500)), {"a": 0}) is True


def test_a_rule_about_a_scalar_knows_its_type() -> None:
    assert run("self > 1", 2, schema=INTEGER)
    with pytest.raises(RuleProblem, match=r"'_==_' applied to '\(string, int\)'"):
        run("self == 1", "x", schema=TEXT)


def test_mistakes_in_a_rule_with_an_optional_old_value_are_where_the_author_sees_them() -> None:
    with pytest.raises(RuleProblem, match=r"<input>:1:16: undefined field 'nope'\n \| oldSelf.value\(\).nope\n \| \.{15}\^"):
        run("oldSelf.value().nope", {}, optional_old=True)
    with pytest.raises(RuleProblem, match=r"optional_type\(selfType\)"):
        run("oldSelf == self", {}, optional_old=True)


def test_a_message_must_be_a_text() -> None:
    assert run("'got ' + self.s", {"s": "x"}, wanted="message") == "got x"
    with pytest.raises(RuleProblem, match="messageExpression must evaluate to a string"):
        run("self.a", {"a": 1}, wanted="message")


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
    with takes_under(2), pytest.raises(BudgetExceeded):
        run(rule, value)


def test_a_plain_rule_over_a_long_list_is_affordable() -> None:
    assert run("self.l.all(x, x.v >= 0)", {"l": [{"v": n} for n in range(5_000)]}) is True
