"""The first command a newcomer runs."""


def test_quickstart_ends_in_a_model_that_predicts(zoo_command, check_store):
    ran = zoo_command.ok("quickstart", "--json")
    assert ran.json["accuracy"]["value"] > 0.9
    assert ran.json["accuracy"]["low"] < ran.json["accuracy"]["value"] < 1
    models = {model["name"]: model for model in zoo_command.ok("list", "--json").json}
    assert set(models) == {"lenet-digits", "lenet-digits-digits-5-9"}
    files = zoo_command.ok("show", "lenet-digits-digits-5-9", "--files").out
    assert "model.onnx" in files
    assert set(check_store()) == {"lenet-digits", "lenet-digits-digits-5-9"}

    again = zoo_command.ok("quickstart")
    assert "0.983" in again.out or f"accuracy {ran.json['accuracy']['value']:.3f}" in again.out
    assert "is read as" in again.out
    assert "codes:" not in again.err  # They were kept.
    for step in ("zoo list", "zoo show", "zoo serve", "zoo finetune"):
        assert step in again.out
    assert {model["name"] for model in zoo_command.ok("list", "--json").json} == set(models)
