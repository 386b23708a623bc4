//! JSON as Python's `json.dumps` writes it.

use minijinja::value::{Kwargs, Rest, ValueKind, ValueOrKwargs, from_args};
use minijinja::{Error, ErrorKind, State, Value};

/// How deep a value may be nested to be written.
const DEPTH: usize = 100;

/// `tojson`: what Python's `json.dumps` writes, with its arguments.
pub(crate) fn tojson(
    state: &State,
    value: &Value,
    args: Rest<ValueOrKwargs>,
) -> Result<Value, Error> {
    let args = args.into_values();
    // In `transformers`, the filter's own arguments stand in this order.
    let (ascii, indent, separators, sort, kwargs): (
        Option<bool>,
        Option<&Value>,
        Option<&Value>,
        Option<bool>,
        Kwargs,
    ) = from_args(&args)?;
    let named = |name: &str| -> Result<Option<Value>, Error> { kwargs.get(name) };
    let ascii = match ascii {
        None => named("ensure_ascii")?.is_some_and(|it| it.is_true()),
        Some(it) => it,
    };
    let sort_keys = match sort {
        None => named("sort_keys")?.is_some_and(|it| it.is_true()),
        Some(it) => it,
    };
    let (by_name, indent) = (named("indent")?, indent.cloned());
    let indent = match indent.or(by_name).filter(|it| !it.is_none()) {
        None => None,
        Some(it) => Some(match it.as_str() {
            Some(text) => text.to_owned(),
            None => " ".repeat(
                usize::try_from(i64::try_from(it)?.max(0))
                    .unwrap_or(0)
                    .min(64),
            ),
        }),
    };
    let (by_name, separators) = (named("separators")?, separators.cloned());
    let (item, key) = match separators.or(by_name).filter(|it| !it.is_none()) {
        None if indent.is_some() => (",".to_owned(), ": ".to_owned()),
        None => (", ".to_owned(), ": ".to_owned()),
        Some(pair) => {
            let text =
                |i: usize| -> Result<String, Error> { Ok(pair.get_item_by_index(i)?.to_string()) };
            (text(0)?, text(1)?)
        }
    };
    kwargs.assert_all_used()?;
    let mut json = Json {
        state,
        text: String::new(),
        paid: 0,
        ascii,
        sort_keys,
        indent,
        item,
        key,
    };
    json.write(value, 0)?;
    Ok(Value::from(json.text))
}

/// JSON as Python writes it.
struct Json<'a, 'b, 'c> {
    state: &'a State<'b, 'c>,
    text: String,
    /// How many bytes the template's budget has paid for.
    paid: usize,
    ascii: bool,
    sort_keys: bool,
    indent: Option<String>,
    item: String,
    key: String,
}

impl Json<'_, '_, '_> {
    fn write(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > DEPTH {
            let problem = "tojson: the value is nested too deeply";
            return Err(Error::new(ErrorKind::InvalidOperation, problem));
        }
        if self.text.len() > self.paid + 4096 {
            self.state
                .consume_fuel(((self.text.len() - self.paid) / 64) as u64)?;
            self.paid = self.text.len();
        }
        match value.kind() {
            ValueKind::None => self.text += "null",
            ValueKind::Bool => self.text += if value.is_true() { "true" } else { "false" },
            ValueKind::Number => self.text += &number(value),
            ValueKind::String => self.string(value.as_str().unwrap_or_default()),
            ValueKind::Seq => self.seq(value, depth)?,
            ValueKind::Map => self.map(value, depth)?,
            kind => {
                let problem = format!("tojson: {kind} is not JSON serializable");
                return Err(Error::new(ErrorKind::InvalidOperation, problem));
            }
        }
        Ok(())
    }

    fn seq(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        self.text.push('[');
        let mut any = false;
        for item in value.try_iter()? {
            self.begin(any, depth + 1);
            any = true;
            self.write(&item, depth + 1)?;
        }
        self.end(any, depth, ']');
        Ok(())
    }

    fn map(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let mut entries = Vec::new();
        for key in value.try_iter()? {
            let item = value.get_item(&key)?;
            let name = match key.kind() {
                ValueKind::None => "null".to_owned(),
                ValueKind::Bool => key.is_true().to_string(),
                ValueKind::Number => number(&key),
                _ => key.to_string(),
            };
            entries.push((name, item));
        }
        if self.sort_keys {
            entries.sort_by(|a, b| a.0.cmp(&b.0));
        }
        self.text.push('{');
        for (i, (name, item)) in entries.iter().enumerate() {
            self.begin(i > 0, depth + 1);
            self.string(name);
            let key = self.key.clone();
            self.text += &key;
            self.write(item, depth + 1)?;
        }
        self.end(!entries.is_empty(), depth, '}');
        Ok(())
    }

    /// Begins an item: what stands between it and the one before.
    fn begin(&mut self, is_further: bool, depth: usize) {
        if is_further {
            self.text += &self.item;
        }
        self.line(depth);
    }

    fn end(&mut self, any: bool, depth: usize, bracket: char) {
        if any {
            self.line(depth);
        }
        self.text.push(bracket);
    }

    fn line(&mut self, depth: usize) {
        if let Some(indent) = &self.indent {
            self.text.push('\n');
            for _ in 0..depth {
                self.text += indent;
            }
        }
    }

    fn string(&mut self, text: &str) {
        self.text.push('"');
        for c in text.chars() {
            match c {
                '"' => self.text += "\\\"",
                '\\' => self.text += "\\\\",
                '\n' => self.text += "\\n",
                '\r' => self.text += "\\r",
                '\t' => self.text += "\\t",
                '\u{8}' => self.text += "\\b",
                '\u{c}' => self.text += "\\f",
                c if c < ' ' || (self.ascii && c > '~') => {
                    let mut units = [0; 2];
                    for unit in c.encode_utf16(&mut units) {
                        self.text += &format!("\\u{unit:04x}");
                    }
                }
                c => self.text.push(c),
            }
        }
        self.text.push('"');
    }
}

/// A number as Python writes it.
fn number(value: &Value) -> String {
    let Some(float) = f64::try_from(value.clone())
        .ok()
        .filter(|_| !value.is_integer())
    else {
        return value.to_string();
    };
    match float {
        it if it.is_nan() => "NaN".to_owned(),
        it if it.is_infinite() => if it > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        it if it != 0.0 && !(1e-4..1e16).contains(&it.abs()) => {
            let text = format!("{it:e}");
            let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let exponent: i32 = exponent.parse().unwrap_or_default();
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        it => format!("{it:?}"),
    }
}
