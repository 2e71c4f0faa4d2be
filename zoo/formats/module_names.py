"""What a layer's module can be called, whatever the file calls the layer."""

import keyword
from unicodedata import normalize

# What torch's modules call parts of their own; a module of such a name would hide one of them.
RESERVED_WORDS = """
    add_module additional_state_dict apply bfloat16 buffers bypass_fwd_hooks call_super_init
    children code compile cpu cuda delete_all_unused_submodules delete_submodule double
    dump_patches eval extra_repr float forward get_buffer get_extra_state get_parameter
    get_submodule graph half ipu load_state_dict meta modules mtia named_buffers named_children
    named_modules named_parameters parameters print_readable recompile register_backward_hook
    register_buffer register_forward_hook register_forward_pre_hook
    register_full_backward_hook register_full_backward_pre_hook
    register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module
    register_parameter register_state_dict_post_hook register_state_dict_pre_hook requires_grad_
    set_extra_state set_submodule shape_env share_memory state_dict to to_empty to_folder train
    training type xpu zero_grad add_submodule T_destination
    """
RESERVED = frozenset(RESERVED_WORDS.split())
ENDS_A_QUOTE = '"\\'


def as_module_name(name: str) -> str:
    """Make a name one that a module can bear; most are.

    ``torch.fx`` writes the names of modules into a program and runs it: as they are where Python
    takes them for names, else between quotes. So that no file writes a line of that program, what
    would end the quote is replaced; and what Python or torch read as something else gets a colon.
    """
    plain = "".join(map(_harmless, name))
    return f"{plain}:" if plain in RESERVED or _is_read_otherwise(plain) else plain


def _harmless(letter: str) -> str:
    return letter if letter.isprintable() and letter not in ENDS_A_QUOTE else "_"


def _is_read_otherwise(name: str) -> bool:
    """Tell whether this is a word of Python's, or a name that it spells in other letters."""
    return name.isidentifier() and (keyword.iskeyword(name) or normalize("NFKC", name) != name)
