//! The names that templates have without defining them.

/// Names that stand for a value and cannot be given another.
pub(super) const CONSTANTS: [&str; 6] = ["true", "True", "false", "False", "none", "None"];

/// Jinja's functions, and those that `transformers` adds.
pub(super) const FUNCTIONS: [&str; 8] = [
    "range",
    "dict",
    "lipsum",
    "cycler",
    "joiner",
    "namespace",
    "raise_exception",
    "strftime_now",
];

/// Jinja's filters; some of them are known but not supported.
pub(super) const FILTERS: [&str; 54] = [
    "abs", "attr", "batch", "capitalize", "center", "count", "d", "default", "dictsort", "e",
    "escape", "filesizeformat", "first", "float", "forceescape", "format", "groupby", "indent",
    "int", "items", "join", "last", "length", "list", "lower", "map", "max", "min", "pprint",
    "random", "reject", "rejectattr", "replace", "reverse", "round", "safe", "select",
    "selectattr", "slice", "sort", "string", "striptags", "sum", "title", "tojson", "trim",
    "truncate", "unique", "upper", "urlencode", "urlize", "wordcount", "wordwrap", "xmlattr",
];

/// Jinja's tests.
pub(super) const TESTS: [&str; 39] = [
    "!=", "<", "<=", "==", ">", ">=", "boolean", "callable", "defined", "divisibleby", "eq",
    "equalto", "escaped", "even", "false", "filter", "float", "ge", "greaterthan", "gt", "in",
    "integer", "iterable", "le", "lessthan", "lower", "lt", "mapping", "ne", "none", "number",
    "odd", "sameas", "sequence", "string", "test", "true", "undefined", "upper",
];

/// Methods of Python's texts.
pub(super) const TEXT: [&str; 47] = [
    "capitalize", "casefold", "center", "count", "encode", "endswith", "expandtabs", "find",
    "format", "format_map", "index", "isalnum", "isalpha", "isascii", "isdecimal", "isdigit",
    "isidentifier", "islower", "isnumeric", "isprintable", "isspace", "istitle", "isupper", "join",
    "ljust", "lower", "lstrip", "maketrans", "partition", "removeprefix", "removesuffix",
    "replace", "rfind", "rindex", "rjust", "rpartition", "rsplit", "rstrip", "split",
    "splitlines", "startswith", "strip", "swapcase", "title", "translate", "upper", "zfill",
];

/// Methods of Python's lists, and those that the sandbox forbids since they
/// change the list.
pub(super) const LIST: [&str; 3] = ["copy", "count", "index"];
pub(super) const TUPLE: [&str; 2] = ["count", "index"];
pub(super) const DICT: [&str; 6] = ["copy", "fromkeys", "get", "items", "keys", "values"];

/// Attributes of other values that Python has and that are not supported.
pub(super) const NUMBER: [&str; 14] = [
    "as_integer_ratio", "bit_count", "bit_length", "conjugate", "denominator", "from_bytes",
    "fromhex", "hex", "imag", "is_integer", "numerator", "real", "to_bytes", "is_signed",
];
pub(super) const RANGE: [&str; 5] = ["count", "index", "start", "step", "stop"];
pub(super) const VIEW: [&str; 2] = ["isdisjoint", "mapping"];
pub(super) const ITERATOR: [&str; 7] = [
    "close", "gi_code", "gi_frame", "gi_running", "gi_yieldfrom", "send", "throw",
];
pub(super) const MACRO: [&str; 6] = [
    "arguments", "caller", "catch_kwargs", "catch_varargs", "explicit_caller", "name",
];
