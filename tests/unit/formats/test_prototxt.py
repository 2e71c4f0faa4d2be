import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import MalformedPrototxt
from zoo.formats.caffe import prototxt
from zoo.formats.caffe.prototxt import parse_prototxt


def parse(text):
    return parse_prototxt(text, name="net.prototxt")


@pytest.mark.parametrize(
    "text",
    [
        "a: 1 b { c: 'x' }",
        'a: 1; b: { c: "x" },',
        "# head\na:1 # one\nb < c: 'x' >\n",
        "a: [1] b: <c: ['x']>",
        "b { c: \"\" 'x' } a: 1",
        "a\n:\n1\nb\n{\nc\n:\n'x'\n}",
    ],
)
def test_every_spelling_gives_the_same_tree(text):
    root = parse(text)
    assert root.integer("a", 0) == 1
    assert root.message("b").text("c") == "x"


def test_repeated_fields_keep_their_order_in_lists_and_alone():
    assert parse("dim: 3 dim: [1, 2,] dim: 4 dim: []").integers("dim") == [3, 1, 2, 4]


def test_lists_may_hold_messages():
    shapes = parse("shape: [{dim: 1}, {dim: 2}]").messages("shape")
    assert [shape.integers("dim") for shape in shapes] == [[1], [2]]


def test_strings_are_unescaped():
    assert parse(r'a: "\"q\" \\ \n\t \101\x42"').text("a") == '"q" \\ \n\t AB'


@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\n\\'")))
def test_any_other_text_stands_for_itself_in_quotes(text):
    assert parse(f"a: '{text}'").text("a") == text


@pytest.mark.parametrize("word", ["true", "True", "t", "1"])
def test_every_spelling_of_true_is_known(word):
    assert parse(f"a: {word}").flag("a", default=False) is True


@pytest.mark.parametrize("word", ["false", "False", "f", "0"])
def test_every_spelling_of_false_is_known(word):
    assert parse(f"a: {word}").flag("a", default=True) is False


@pytest.mark.parametrize(
    ("word", "value"),
    [("1.", 1), ("5e-05", 5e-5), ("0.5f", 0.5), (".5", 0.5), ("-2", -2), ("1E2", 100), ("+1", 1)],
)
def test_every_spelling_of_a_number_is_known(word, value):
    assert parse(f"a: {word}").number("a", None) == value
    assert parse(f"a: {word}").numbers("a") == [value]


@pytest.mark.parametrize("word", ["MAX", "0", "0x0"])
def test_an_enum_is_written_by_name_or_number(word):
    assert parse(f"pool: {word}").choice("pool", {0: "MAX", 1: "AVE"}, "AVE") == "MAX"


def test_an_unknown_name_of_an_enum_is_kept():
    assert parse("pool: AVE_EXC_PAD").choice("pool", {0: "MAX"}, "MAX") == "AVE_EXC_PAD"


def test_absent_fields_have_their_defaults():
    root = parse("")
    assert root.text("a") == ""
    assert root.integer("a", 7) == 7
    assert root.number("a", None) is None
    assert root.flag("a", default=True) is True
    assert root.choice("a", {}, "MAX") == "MAX"
    assert root.message("a").integers("b") == []


def test_fields_nobody_asked_for_are_told():
    root = parse("a { b: 1 c: 2 } d: 3 e { f: 1 } g { h: 1 }")
    root.message("a").integer("b", 0)
    root.skip("g")
    assert list(root.unasked()) == ["a.c", "d", "e"]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("\n\na {", 3, r"expected '}' to close the message of line 3, found the end"),
        ("a {\n>", 2, "expected the name of a field, found '>'"),
        ("a 1", 1, "expected ':' or '{' after 'a', found '1'"),
        ("a:", 1, "expected a value for 'a', found the end"),
        ("a: }", 1, "expected a value for 'a', found '}'"),
        ("1: 2", 1, "expected the name of a field, found '1'"),
        ('"a": 2', 1, "expected the name of a field"),
        ("a: [1 2]", 1, "expected ',' or ']' in a list, found '2'"),
        ("a: [1,", 1, "expected a value for 'a', found the end"),
        ("a: 1\nb: 'x\n'", 2, "a string does not end on its line"),
        ("a: " + "{ a: " * 40, 1, "nested more than 32 deep"),
    ],
)
def test_text_that_is_no_prototxt_is_refused_with_its_line(text, line, reason):
    with pytest.raises(MalformedPrototxt, match=reason) as caught:
        parse(text)
    assert caught.value.detail == {"file": "net.prototxt", "line": line}
    assert str(caught.value).startswith(f"net.prototxt, line {line}: ")


@pytest.mark.parametrize(
    ("text", "ask", "reason"),
    [
        ("a: 1.5", lambda root: root.integer("a", 0), "'1.5', not a whole number"),
        ("a: 010", lambda root: root.integers("a"), "'010', not a whole number"),
        ("a: 4294967296", lambda root: root.integer("a", 0), "not a whole number"),
        ("a: x", lambda root: root.number("a", 0), "'x', not a finite number"),
        ("a: 1e999", lambda root: root.numbers("a"), "not a finite number"),
        ("a: nan", lambda root: root.number("a", 0), "not a finite number"),
        ("a: yes", lambda root: root.flag("a", default=True), "not true or false"),
        ("a: 1 a: 2", lambda root: root.integer("a", 0), "a is given 2 times"),
        ("a {} a {}", lambda root: root.message("a"), "a is given 2 times"),
        ("a: 1", lambda root: root.message("a"), "should be a message in braces"),
        ("a {}", lambda root: root.text("a"), "should not be a message"),
    ],
)
def test_values_of_the_wrong_kind_are_refused(text, ask, reason):
    with pytest.raises(MalformedPrototxt, match=reason) as caught:
        ask(parse("\n" + text))
    assert caught.value.detail["line"] == 2


@pytest.mark.parametrize(
    "text",
    ["a: 1 " * 9, "a: [1, 2, 3, 4, 5, 6, 7, 8, 9]", "a {} " * 9, "a: 'b' 'c' 'd' 'e' 'f' 'g'"],
)
def test_more_values_than_any_network_has_are_refused(text, monkeypatch):
    monkeypatch.setattr(prototxt, "MOST_VALUES", 5)
    with pytest.raises(MalformedPrototxt, match="more than 5 values"):
        parse(text)


@pytest.mark.parametrize(
    "text", ["a: '{0}", 'a: "{0}', "#{0}", "a: 1 {0}", "a: '{0}' b: \"{0}\" #{0}"]
)
@pytest.mark.parametrize("part", ["x", " ", "\\\\", "\\'"])
def test_long_runs_are_read_or_refused_as_short_ones_are(text, part):
    found = []
    for count in (3, 30_000):
        try:
            found.append(len(parse(text.format(part * count)).fields))
        except MalformedPrototxt as error:
            found.append(str(error)[:40].split("xxx")[0])
    assert found[0] == found[1]
