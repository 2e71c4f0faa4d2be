"""The first command a newcomer runs."""


def test_quickstart_ends_in_a_model_that_predicts(zoo_command, check_store):
    ran = zoo_command.ok("quickstart")
    assert "is read as" in ran.out
    for step in ("zoo list", "zoo show", "zoo serve", "zoo finetune"):
        assert step in ran.out
    models = {model["name"]: model for model in zoo_command.ok("list", "--json").json}
    assert set(models) == {"lenet-digits", "lenet-digits-digits-5-9"}
    accuracy = models["lenet-digits-digits-5-9"]["summary"]["accuracy"]
    assert accuracy["value"] > 0.9
    assert accuracy["low"] < accuracy["value"] < accuracy["high"]
    assert f"accuracy {accuracy['value']:.3f}" in ran.out
    assert "model.onnx" in check_store()["lenet-digits-digits-5-9"]
