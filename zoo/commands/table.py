"""Which commands there are: name to module and one line of help, known before any is imported."""

COMMANDS: dict[str, tuple[str, str]] = {
    "quickstart": ("quickstart", "Fine-tune a small model on real digits, from nothing."),
    "import": ("import_", "Import a checkpoint: Caffe, PyTorch, safetensors, ONNX, a Hub."),
    "create": ("create", "Create an untrained model: an architecture by name, or a prototxt."),
    "datasets": ("datasets", "Add, list and show datasets of labelled pictures."),
    "finetune": ("finetune", "Fine-tune a model on a dataset and publish the result as ONNX."),
    "predict": ("predict", "Say what is on pictures."),
    "dense": ("dense", "Have a classifier read pictures of any size: FC layers as convolutions."),
    "heatmap": ("heatmap", "Show where on a picture a dense model sees a class."),
    "surgery": ("surgery", "Cut a network, replace its head, fold its batch normalisation."),
    "filters": ("filters", "Show what values a model's filters hold, and what they look like."),
    "init-study": ("init_study", "Compare how filters may begin, by training from each."),
    "list": ("list_", "List the models of the zoo."),
    "show": ("show", "Show a model: its revisions, files, card and lineage."),
    "verify": ("verify", "Prove once more that a model is what it says."),
    "export": ("export", "Write a model out: ONNX, safetensors, PyTorch or Caffe."),
    "jobs": ("jobs", "List, show and cancel jobs."),
    "serve": ("serve", "Serve the zoo over REST, with a worker beside it."),
    "worker": ("worker", "Run the jobs of the zoo, without a web server."),
    "db": ("db", "Show the catalog's schema, or bring it up to date."),
    "doctor": ("doctor", "Say what this zoo stands on: versions, devices, database, disk."),
}
