//! JSON as Python's `json.dumps` writes it.

use super::arguments::{Arguments, is_true};
use super::fault::{Result, Work, problem};
use super::print;
use super::value::Value;
use super::value::order::sort;

/// `tojson`: what Python's `json.dumps` writes, with the arguments that
/// `transformers` gives its filter.
pub(super) fn tojson(value: &Value, args: Arguments, work: &Work) -> Result<Value> {
    let parameters = ["ensure_ascii", "indent", "separators", "sort_keys"];
    let [ascii, indent, separators, sort_keys] = args.bind("tojson", parameters)?;
    let indent = match indent {
        None | Some(Value::None) => None,
        Some(Value::Text(it)) => Some(it.text.to_string()),
        Some(it) => match it.as_int() {
            Some(n) => {
                let n = usize::try_from(n.max(0)).unwrap_or(usize::MAX);
                work.text(n)?;
                Some(" ".repeat(n))
            }
            None => return problem("tojson: `indent` is neither an int nor a str"),
        },
    };
    let (item, key) = match separators {
        None | Some(Value::None) => {
            let item = if indent.is_some() { "," } else { ", " };
            (item.to_owned(), ": ".to_owned())
        }
        Some(pair) => match &pair.items(work)?[..] {
            [Value::Text(item), Value::Text(key)] => (item.text.to_string(), key.text.to_string()),
            _ => return problem("tojson: `separators` is not a pair of texts"),
        },
    };
    let mut json = Json {
        work,
        text: String::new(),
        ascii: is_true(ascii),
        sort_keys: is_true(sort_keys),
        indent,
        item,
        key,
    };
    json.write(value, 0)?;
    Ok(Value::from(json.text))
}

/// JSON as Python writes it.
struct Json<'a> {
    work: &'a Work,
    text: String,
    ascii: bool,
    sort_keys: bool,
    indent: Option<String>,
    item: String,
    key: String,
}

impl Json<'_> {
    fn write(&mut self, value: &Value, depth: usize) -> Result<()> {
        self.work.spend(1)?;
        match value {
            Value::None => self.text += "null",
            Value::Bool(true) => self.text += "true",
            Value::Bool(false) => self.text += "false",
            Value::Int(it) => self.text += &it.to_string(),
            Value::Float(it) => self.text += &number(*it),
            Value::Text(it) => self.string(&it.text)?,
            Value::List(it) | Value::Tuple(it) => {
                self.text.push('[');
                for (i, item) in it.items.iter().enumerate() {
                    self.begin(i > 0, depth + 1)?;
                    self.write(item, depth + 1)?;
                }
                self.end(!it.items.is_empty(), depth, ']')?;
            }
            Value::Dict(it) => self.object(&it.entries, depth)?,
            _ => {
                return problem(format!(
                    "tojson: a {} is not JSON serializable",
                    value.type_name()
                ));
            }
        }
        Ok(())
    }

    fn object(&mut self, entries: &[(Value, Value)], depth: usize) -> Result<()> {
        let mut entries = entries.to_vec();
        self.work.spend(entries.len())?;
        if self.sort_keys {
            let keyed = entries.into_iter().map(|entry| (entry.0.clone(), entry));
            entries = sort(keyed.collect(), self.work)?;
        }
        self.text.push('{');
        for (i, (key, item)) in entries.iter().enumerate() {
            self.begin(i > 0, depth + 1)?;
            match key {
                Value::Text(it) => self.string(&it.text)?,
                Value::None => self.string("null")?,
                Value::Bool(it) => self.string(if *it { "true" } else { "false" })?,
                Value::Int(it) => self.string(&it.to_string())?,
                Value::Float(it) => self.string(&number(*it))?,
                _ => return problem("tojson: keys must be str, int, float, bool or None"),
            }
            self.text += &self.key;
            self.write(item, depth + 1)?;
        }
        self.end(!entries.is_empty(), depth, '}')
    }

    /// Begins an item: writes what separates it from the one before.
    fn begin(&mut self, is_further: bool, depth: usize) -> Result<()> {
        self.work.text(self.item.len() + self.key.len())?;
        if is_further {
            self.text += &self.item;
        }
        self.line(depth)
    }

    fn end(&mut self, any: bool, depth: usize, bracket: char) -> Result<()> {
        if any {
            self.line(depth)?;
        }
        self.text.push(bracket);
        Ok(())
    }

    fn line(&mut self, depth: usize) -> Result<()> {
        if let Some(indent) = &self.indent {
            self.work.text(depth * indent.len())?;
            self.text.push('\n');
            for _ in 0..depth {
                self.text += indent;
            }
        }
        Ok(())
    }

    fn string(&mut self, text: &str) -> Result<()> {
        self.work.text(2 * text.len())?;
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
        Ok(())
    }
}

/// A float as Python writes it, even if JSON has no such number.
fn number(it: f64) -> String {
    match it {
        it if it.is_nan() => "NaN".to_owned(),
        it if it.is_infinite() => if it > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        it => print::float(it),
    }
}
