"""What was given and cannot be used."""

from zoo.errors.tree import ZooError


class Invalid(ZooError):
    """What was given cannot be used."""


class BadName(Invalid):
    """This name cannot be used."""

    hint = (
        "Names are 1 to 96 letters, digits, '.', '_' and '-', with at most one '/' for an owner; "
        "choose another with --name."
    )


class BadRequest(Invalid):
    """The request is not of the form this address takes."""

    hint = "The form is told at /docs and in /openapi.json."


class BadSetting(Invalid):
    """A setting has a value that cannot be used."""

    hint = "Settings come from ZOO_* variables, ./zoo.toml and ~/.config/zoo/zoo.toml."


class MalformedCheckpoint(Invalid):
    """The checkpoint's bytes do not follow its format."""

    hint = "Fetch the file again and compare its checksum with the publisher's."


class UnsafePickle(Invalid):
    """The checkpoint asks for code to be run, which the zoo never does."""

    hint = (
        "Where you trust the file, load it, save model.state_dict() with "
        "safetensors.torch.save_file, and import that."
    )


class MalformedPrototxt(Invalid):
    """The network description does not follow the prototxt format."""

    hint = "Open the file at the line named, mend it, and import again."


class MalformedCard(Invalid):
    """The front matter of the card is not readable YAML."""

    hint = "Mend the lines between the two '---' of the readme."


class MalformedUpload(Invalid):
    """What was sent does not follow the form of its upload."""

    hint = "Send it again; if it fails again, update the client, or use HF_HUB_DISABLE_XET=1."


class WeightsMismatch(Invalid):
    """The weights do not fit the network they came with."""

    hint = "Use the prototxt the weights were trained with."


class IncompletePackage(Invalid):
    """The folder lacks a file that a package needs."""

    hint = "A Caffe package is a folder with a deploy.prototxt and a .caffemodel."


class UnreadablePicture(Invalid):
    """The file is not a picture that can be read."""

    hint = "Give a JPEG, PNG, WebP, BMP, TIFF or PPM file."


class SomeUnreadable(Invalid):
    """Some of many pictures cannot be read; what could be done with the others is done."""

    hint = "They are named above; mend them or leave them out."


class PictureTooSmall(Invalid):
    """The picture is smaller than what one cell of the network's map reads."""

    hint = "Give a larger picture, or enlarge this one: --short-side PIXELS"


class UnsafeArchive(Invalid):
    """The archive holds a member that would leave its folder."""

    hint = "Pack the class folders again, with plain files and relative names only."


class MalformedArchive(Invalid):
    """The archive is damaged or not an archive."""

    hint = "Give a folder of class folders, or a zip or tar of it."


class EmptyDataset(Invalid):
    """No readable picture was found."""

    hint = "Give a folder that holds one folder of pictures per class."


class OneClass(Invalid):
    """All pictures are of one class; a classifier needs at least two."""

    hint = "Add a folder with pictures of another class."


class TooFewPictures(Invalid):
    """A class has too few pictures to learn from and be measured on."""

    hint = "Add pictures to the class named, or remove its folder."


class ClassesDiffer(Invalid):
    """The training and validation folders do not hold the same classes."""

    hint = "Give both folders the same class folders, spelled alike."
