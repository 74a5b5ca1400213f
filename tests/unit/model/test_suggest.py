"""What somebody may have meant by a name that nobody knows."""

from host.model.suggest import did_you_mean, suggest


def test_suggestions_know_moved_classes_case_and_spelling() -> None:
    known = ["host_rest.server:RestServer", "SanteDB.Core.Jobs.DefaultJobManagerService, SanteDB.Core.Api"]
    assert suggest("SanteDB.Core.Services.DefaultJobManagerService, SanteDB.Core", known) == known[1]
    assert suggest("host_rest.sever:RestServr", known) == known[0]
    assert suggest("entirely.different:Thing", known) is None


def test_several_classes_of_one_name_are_told_apart_by_spelling() -> None:
    known = ["acme.ovens:Oven", "other.kitchens:Oven"]
    assert suggest("acme.oven:Oven", known) == known[0]


def test_a_hint_quotes_what_was_meant_and_is_none_without_a_likeness() -> None:
    assert did_you_mean("Dran", ["drain", "reload"]) == "did you mean 'drain'?"
    assert did_you_mean("zebra", ["drain", "reload"]) is None
