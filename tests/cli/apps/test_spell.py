from pilothouse.cli.apps.spell import Spell


def test_a_spell_counts_from_its_own_beginning_and_not_from_that_of_one_before() -> None:
    spell = Spell()
    assert [spell.lasts_s(True, 1.0), spell.lasts_s(True, 1.5)] == [0.0, 0.5]
    assert spell.lasts_s(False, 2.0) == 0.0
    assert [spell.lasts_s(True, 9.0), spell.lasts_s(True, 9.2)] == [0.0, 9.2 - 9.0]
