//! Pickles as `torch.save` writes them, read by a machine that can only build tensors, dictionaries, lists, texts and
//! numbers.
//!
//! A pickle is a program. Python's own machine calls whatever function a pickle names; this one has a table of the few
//! names that weights need and calls nothing: any other name, and any instruction that makes objects of classes, is an
//! error. Values lie in one list and point to each other by their places, so that nothing recurses, what is shared is
//! kept once, and a value may hold itself. Opcodes: Lib/pickletools.py of Python.

use std::collections::HashMap;

use super::kinds::Kind;

/// Instructions obeyed at most, and values copied. A ResNet-152 with its optimiser's moments takes some 60 000.
const MOST_STEPS: usize = 1 << 20;

/// Bytes of a name or a storage's key at most: they are copied, and nobody's are longer.
const LONGEST_NAME: usize = 200;

/// Why a pickle was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PickleError {
    /// The file ends in the middle.
    #[error("the file is cut short, or damaged")]
    Short,
    /// It names a function or class that weights do not need.
    #[error(
        "it asks for {name}, which is no part of weights and was not run; if the file is one you trust, save its \
         weights alone: torch.save(model.state_dict(), FILE)"
    )]
    Name {
        /// Module and name.
        name: String,
    },
    /// An instruction that makes objects, or none that there is.
    #[error(
        "it holds instruction {code:#04x}{}, which weights do not need; nothing was run. If the file is one you trust, \
         save its weights alone: torch.save(model.state_dict(), FILE)",
        named(*code)
    )]
    Instruction {
        /// The byte.
        code: u8,
    },
    /// More instructions than any weights have.
    #[error("it is longer than any weights are: more than {MOST_STEPS} instructions")]
    Long,
    /// Instructions that do not fit each other.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
}

/// The instructions that hostile pickles use, by the names that people search for.
fn named(code: u8) -> &'static str {
    match code {
        b'i' => " (INST)",
        b'o' => " (OBJ)",
        0x81 => " (NEWOBJ)",
        0x92 => " (NEWOBJ_EX)",
        0x82..=0x84 => " (EXT)",
        _ => "",
    }
}

type Result<T> = std::result::Result<T, PickleError>;

/// Place of a value in its [`Heap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ref(u32);

/// The numbers of a file that tensors look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Their format.
    pub kind: Kind,
    /// Under which name the file keeps them.
    pub key: String,
    /// How many it says there are.
    pub count: usize,
}

/// A look at a storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The storage.
    pub storage: Storage,
    /// Its first number.
    pub offset: usize,
    /// Sizes.
    pub sizes: Vec<usize>,
    /// Numbers between neighbours, by axis.
    pub strides: Vec<usize>,
}

/// A function or class that weights need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// A dictionary that keeps its order.
    OrderedDict,
    /// Storage, offset, sizes and strides to a tensor.
    RebuildTensor,
    /// A tensor to one that is trained: the same numbers.
    RebuildParameter,
    /// Numbers of a format.
    StorageOf(Kind),
}

/// All names that are not refused.
static KNOWN: &[(&str, &str, Known)] = &[
    ("collections", "OrderedDict", Known::OrderedDict),
    ("torch._utils", "_rebuild_tensor", Known::RebuildTensor),
    ("torch._utils", "_rebuild_tensor_v2", Known::RebuildTensor),
    ("torch._utils", "_rebuild_parameter", Known::RebuildParameter),
    ("torch", "DoubleStorage", Known::StorageOf(Kind::F64)),
    ("torch", "FloatStorage", Known::StorageOf(Kind::F32)),
    ("torch", "HalfStorage", Known::StorageOf(Kind::F16)),
    ("torch", "BFloat16Storage", Known::StorageOf(Kind::Bf16)),
    ("torch", "LongStorage", Known::StorageOf(Kind::Whole(8))),
    ("torch", "IntStorage", Known::StorageOf(Kind::Whole(4))),
    ("torch", "ShortStorage", Known::StorageOf(Kind::Whole(2))),
    ("torch", "CharStorage", Known::StorageOf(Kind::Whole(1))),
    ("torch", "ByteStorage", Known::StorageOf(Kind::Whole(1))),
    ("torch", "BoolStorage", Known::StorageOf(Kind::Whole(1))),
];

/// A value of a pickle.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// None.
    None,
    /// A whole number; truth values are 0 and 1.
    Int(i128),
    /// A number.
    Float(f64),
    /// A text, or bytes as one.
    Text(String),
    /// A list, or a set.
    List(Vec<Ref>),
    /// A tuple.
    Tuple(Vec<Ref>),
    /// A dictionary, in its order; of equal keys the later counts.
    Dict(Vec<(Ref, Ref)>),
    /// A function or class.
    Known(Known),
    /// Numbers in the file.
    Storage(Storage),
    /// A look at them.
    Tensor(View),
}

/// Every value of a pickle.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heap(Vec<Value>);

impl Heap {
    /// The value at `at`.
    pub fn get(&self, at: Ref) -> &Value {
        self.0.get(at.0 as usize).unwrap_or(&Value::None)
    }

    /// The text at `at`, if it is one.
    pub fn text(&self, at: Ref) -> Option<&str> {
        match self.get(at) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The formats of all storages, by their keys.
    pub fn storage_kinds(&self) -> HashMap<&str, Kind> {
        fn kind(value: &Value) -> Option<(&str, Kind)> {
            match value {
                Value::Storage(storage) => Some((storage.key.as_str(), storage.kind)),
                _ => None,
            }
        }
        self.0.iter().filter_map(kind).collect()
    }

    fn count(&self, at: Ref) -> Result<usize> {
        match self.get(at) {
            Value::Int(n) => usize::try_from(*n).map_err(|_| PickleError::Damaged("a size or stride below zero")),
            _ => Err(PickleError::Damaged("a size that is no number")),
        }
    }

    fn counts(&self, at: Ref) -> Result<Vec<usize>> {
        match self.get(at) {
            Value::Tuple(items) | Value::List(items) if items.len() <= 8 => {
                items.iter().map(|&item| self.count(item)).collect()
            }
            Value::Tuple(_) | Value::List(_) => Err(PickleError::Damaged("a tensor of more than eight axes")),
            _ => Err(PickleError::Damaged("sizes that are no tuple")),
        }
    }
}

/// Runs the pickle at the beginning of `bytes`: its values, the one that it leaves, and the bytes after it.
///
/// # Errors
/// When it is damaged, or asks for something that weights do not need.
pub fn load(bytes: &[u8]) -> Result<(Heap, Ref, &[u8])> {
    let mut machine = Machine {
        rest: bytes,
        heap: Heap::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        spent: 0,
    };
    while machine.spent < MOST_STEPS {
        machine.spent += 1;
        if let Some(left) = machine.step()? {
            return Ok((machine.heap, left, machine.rest));
        }
    }
    Err(PickleError::Long)
}

struct Machine<'a> {
    rest: &'a [u8],
    heap: Heap,
    stack: Vec<Ref>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u64, Ref>,
    /// Instructions obeyed and values copied.
    spent: usize,
}

impl<'a> Machine<'a> {
    fn take(&mut self, count: u64) -> Result<&'a [u8]> {
        let (taken, rest) =
            usize::try_from(count).ok().and_then(|n| self.rest.split_at_checked(n)).ok_or(PickleError::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(PickleError::Short)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u64> {
        Ok(u64::from(self.array::<1>()?[0]))
    }

    fn four(&mut self) -> Result<u64> {
        Ok(u64::from(u32::from_le_bytes(self.array()?)))
    }

    fn eight(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn line(&mut self) -> Result<&'a [u8]> {
        let end = self.rest.iter().position(|&b| b == b'\n').ok_or(PickleError::Short)?;
        let line = self.take(end as u64)?;
        self.take(1)?;
        Ok(line)
    }

    fn push(&mut self, value: Value) {
        // the steps are counted, so the places fit
        let at = Ref(self.heap.0.len() as u32);
        self.heap.0.push(value);
        self.stack.push(at);
    }

    fn text(&mut self, count: u64) -> Result<()> {
        let text = String::from_utf8_lossy(self.take(count)?).into_owned();
        self.push(Value::Text(text));
        Ok(())
    }

    fn int(&mut self, count: u64) -> Result<()> {
        let bytes = self.take(count)?;
        // torch's magic number has ten bytes
        let fill = if bytes.last().is_some_and(|b| b & 0x80 != 0) { 0xFF } else { 0 };
        let mut wide = [fill; 16];
        wide.get_mut(..bytes.len())
            .ok_or(PickleError::Damaged("a number of more than 16 bytes"))?
            .copy_from_slice(bytes);
        self.push(Value::Int(i128::from_le_bytes(wide)));
        Ok(())
    }

    fn pop(&mut self) -> Result<Ref> {
        // nothing below a mark belongs to the instruction
        if self.marks.last().is_some_and(|&mark| mark >= self.stack.len()) {
            return Err(PickleError::Damaged("a value is missing"));
        }
        self.stack.pop().ok_or(PickleError::Damaged("a value is missing"))
    }

    fn top(&self) -> Result<Ref> {
        self.stack.last().copied().ok_or(PickleError::Damaged("a value is missing"))
    }

    fn since_mark(&mut self) -> Result<Vec<Ref>> {
        let mark = self.marks.pop().ok_or(PickleError::Damaged("a mark is missing"))?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn tuple(&mut self, count: usize) -> Result<()> {
        let mut items = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>>>()?;
        items.reverse();
        self.push(Value::Tuple(items));
        Ok(())
    }

    fn pairs(items: &[Ref]) -> Result<impl Iterator<Item = (Ref, Ref)>> {
        if !items.len().is_multiple_of(2) {
            return Err(PickleError::Damaged("a key without a value"));
        }
        Ok(items.as_chunks::<2>().0.iter().map(|&[key, value]| (key, value)))
    }

    fn append(&mut self, items: &[Ref]) -> Result<()> {
        let at = self.top()?;
        match self.heap.0.get_mut(at.0 as usize) {
            Some(Value::List(list)) => list.extend_from_slice(items),
            _ => return Err(PickleError::Damaged("items for what is no list")),
        }
        Ok(())
    }

    fn set(&mut self, items: &[Ref]) -> Result<()> {
        let at = self.top()?;
        match self.heap.0.get_mut(at.0 as usize) {
            Some(Value::Dict(entries)) => entries.extend(Self::pairs(items)?),
            _ => return Err(PickleError::Damaged("entries for what is no dictionary")),
        }
        Ok(())
    }

    fn name(&mut self, module: &str, name: &str) -> Result<()> {
        let known = KNOWN.iter().find(|(m, n, _)| *m == module && *n == name);
        let (.., known) =
            known.ok_or_else(|| PickleError::Name { name: super::printable(&format!("{module}.{name}")) })?;
        self.push(Value::Known(*known));
        Ok(())
    }

    /// What the call of a known name leaves.
    fn call(&self, function: Ref, arguments: Ref) -> Result<Value> {
        let Value::Tuple(arguments) = self.heap.get(arguments) else {
            return Err(PickleError::Damaged("a call without arguments"));
        };
        let Value::Known(known) = self.heap.get(function) else {
            return Err(PickleError::Damaged("a call of what is no function"));
        };
        let get = |at: usize| arguments.get(at).copied().ok_or(PickleError::Damaged("a call with too few arguments"));
        match known {
            Known::OrderedDict => {
                let entries = match arguments.first().map(|&list| self.heap.get(list)) {
                    None => Vec::new(),
                    // Python 2 gives a list of pairs
                    Some(Value::List(items)) => items.iter().map(|&item| self.pair(item)).collect::<Result<_>>()?,
                    Some(_) => return Err(PickleError::Damaged("a dictionary of what is no list")),
                };
                Ok(Value::Dict(entries))
            }
            Known::RebuildTensor => {
                let Value::Storage(storage) = self.heap.get(get(0)?) else {
                    return Err(PickleError::Damaged("a tensor without numbers"));
                };
                Ok(Value::Tensor(View {
                    storage: storage.clone(),
                    offset: self.heap.count(get(1)?)?,
                    sizes: self.heap.counts(get(2)?)?,
                    strides: self.heap.counts(get(3)?)?,
                }))
            }
            Known::RebuildParameter => match self.heap.get(get(0)?) {
                tensor @ Value::Tensor(_) => Ok(tensor.clone()),
                _ => Err(PickleError::Damaged("a parameter that is no tensor")),
            },
            Known::StorageOf(_) => Err(PickleError::Damaged("a storage that is called")),
        }
    }

    fn pair(&self, at: Ref) -> Result<(Ref, Ref)> {
        match self.heap.get(at) {
            Value::List(items) | Value::Tuple(items) if items.len() == 2 => Ok((items[0], items[1])),
            _ => Err(PickleError::Damaged("a key without a value")),
        }
    }

    /// `("storage", class, key, place, count)`: torch's way to say where numbers lie.
    fn storage(&self, id: Ref) -> Result<Value> {
        let damaged = PickleError::Damaged("numbers that are not described");
        let Value::Tuple(items) = self.heap.get(id) else { return Err(damaged) };
        let [tag, class, key, _place, count, view @ ..] = &items[..] else { return Err(damaged) };
        if view.iter().any(|&v| *self.heap.get(v) != Value::None) {
            return Err(PickleError::Damaged("a view of torch before 0.4; save the weights anew"));
        }
        match (self.heap.text(*tag), self.heap.get(*class), self.heap.text(*key)) {
            (Some("storage"), Value::Known(Known::StorageOf(kind)), Some(key)) if key.len() <= LONGEST_NAME => {
                Ok(Value::Storage(Storage { kind: *kind, key: key.to_owned(), count: self.heap.count(*count)? }))
            }
            _ => Err(damaged),
        }
    }

    fn put(&mut self, at: u64) -> Result<()> {
        let value = self.top()?;
        self.memo.insert(at, value);
        Ok(())
    }

    fn recall(&mut self, at: u64) -> Result<()> {
        let value = *self.memo.get(&at).ok_or(PickleError::Damaged("a value is asked for before it is there"))?;
        self.stack.push(value);
        Ok(())
    }

    /// Obeys one instruction; the value left where it was the last.
    fn step(&mut self) -> Result<Option<Ref>> {
        let code = self.array::<1>()?[0];
        match code {
            // PROTO and FRAME say nothing that matters here
            0x80 => drop(self.byte()?),
            0x95 => drop(self.eight()?),
            b'.' => return self.pop().map(Some),

            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Int(1)),
            0x89 => self.push(Value::Int(0)),
            b'K' => self.int_of(|m| m.byte().map(i128::from))?,
            b'M' => self.int_of(|m| Ok(i128::from(u16::from_le_bytes(m.array()?))))?,
            b'J' => self.int_of(|m| Ok(i128::from(i32::from_le_bytes(m.array()?))))?,
            0x8a => self.byte().and_then(|n| self.int(n))?,
            0x8b => self.four().and_then(|n| self.int(n))?,
            b'G' => {
                let number = f64::from_be_bytes(self.array()?);
                self.push(Value::Float(number));
            }

            // texts and bytes, with their lengths in one, four or eight bytes
            0x8c | b'U' | b'C' => self.byte().and_then(|n| self.text(n))?,
            b'X' | b'T' | b'B' => self.four().and_then(|n| self.text(n))?,
            0x8d | 0x8e => self.eight().and_then(|n| self.text(n))?,

            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.since_mark()?),
            b'2' => self.stack.push(self.top()?),

            b')' => self.push(Value::Tuple(Vec::new())),
            b't' => {
                let items = self.since_mark()?;
                self.push(Value::Tuple(items));
            }
            0x85..=0x87 => self.tuple(usize::from(code - 0x84))?,
            b']' | 0x8f => self.push(Value::List(Vec::new())),
            b'l' | 0x91 => {
                let items = self.since_mark()?;
                self.push(Value::List(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' | 0x90 => {
                let items = self.since_mark()?;
                self.append(&items)?;
            }
            b'}' => self.push(Value::Dict(Vec::new())),
            b'd' => {
                let items = self.since_mark()?;
                self.push(Value::Dict(Vec::new()));
                self.set(&items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.set(&items)?;
            }

            b'q' => self.byte().and_then(|at| self.put(at))?,
            b'r' => self.four().and_then(|at| self.put(at))?,
            0x94 => self.put(self.memo.len() as u64)?,
            b'h' => self.byte().and_then(|at| self.recall(at))?,
            b'j' => self.four().and_then(|at| self.recall(at))?,

            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.name(&String::from_utf8_lossy(module), &String::from_utf8_lossy(name))?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let short = |at| self.heap.text(at).filter(|text| text.len() <= LONGEST_NAME).map(str::to_owned);
                let text = |at| short(at).ok_or(PickleError::Damaged("a name that is no text, or a long one"));
                let (module, name) = (text(module)?, text(name)?);
                self.name(&module, &name)?;
            }
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                let value = self.call(function, arguments)?;
                if let Value::Dict(entries) = &value {
                    // one list made into dictionaries again and again would fill any memory
                    self.spent += entries.len();
                }
                self.push(value);
            }
            b'Q' => {
                let id = self.pop()?;
                let value = self.storage(id)?;
                self.push(value);
            }
            b'b' => {
                // a state dict carries notes for torch's loader; of anything else a state would make an object
                self.pop()?;
                if !matches!(self.heap.get(self.top()?), Value::Dict(_)) {
                    return Err(PickleError::Instruction { code });
                }
            }
            code => return Err(PickleError::Instruction { code }),
        }
        Ok(None)
    }

    fn int_of(&mut self, read: impl FnOnce(&mut Self) -> Result<i128>) -> Result<()> {
        let number = read(self)?;
        self.push(Value::Int(number));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(bytes: &[u8]) -> PickleError {
        load(bytes).map(|_| ()).unwrap_err()
    }

    #[test]
    fn plain_values_are_read() {
        // pickle.dumps({"a": [1, -2, 300, 70000, 0.5, None, True], "b": ("x",)}, protocol=2)
        let bytes = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01]q\x02(K\x01J\xfe\xff\xff\xffM,\x01Jp\x11\x01\x00G?\xe0\x00\x00\x00\x00\x00\x00N\x88eX\x01\x00\x00\x00bq\x03X\x01\x00\x00\x00xq\x04\x85q\x05u.rest";
        let (heap, left, rest) = load(bytes).unwrap();
        assert_eq!(rest, b"rest");
        let Value::Dict(entries) = heap.get(left) else { panic!("no dictionary") };
        assert_eq!(heap.text(entries[0].0), Some("a"));
        let Value::List(items) = heap.get(entries[0].1) else { panic!("no list") };
        let values: Vec<_> = items.iter().map(|&i| heap.get(i).clone()).collect();
        use Value::{Float, Int};
        assert_eq!(values, [Int(1), Int(-2), Int(300), Int(70000), Float(0.5), Value::None, Int(1)]);
    }

    #[test]
    fn nothing_runs_whatever_a_pickle_asks_for() {
        let name = |module: &str, name: &str| PickleError::Name { name: format!("{module}.{name}") };
        // each by its usual opcode; the machine must stop at the name, before any argument
        assert_eq!(refused(b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R."), name("posix", "system"));
        assert_eq!(refused(b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R."), name("os", "system"));
        assert_eq!(refused(b"\x80\x02cbuiltins\neval\n."), name("builtins", "eval"));
        assert_eq!(
            refused(b"\x80\x02ctorch._utils\n_rebuild_tensor_v2.__globals__\n."),
            name("torch._utils", "_rebuild_tensor_v2.__globals__")
        );
        assert_eq!(refused(b"(X\x04\x00\x00\x00trueiposix\nsystem\n."), PickleError::Instruction { code: b'i' });
        assert_eq!(refused(b"\x80\x02ccollections\nOrderedDict\n)\x81."), PickleError::Instruction { code: 0x81 });
        for code in [0x82, 0x83, 0x84, b'o', 0x92, 0x97, b'P', b'I', 0xff] {
            assert_eq!(refused(&[code, 0, 0, 0, 0, b'.']), PickleError::Instruction { code });
        }
        // a state for what is no dictionary, and calls of what is no function
        assert_eq!(refused(b"]}b."), PickleError::Instruction { code: b'b' });
        assert!(matches!(refused(b"X\x02\x00\x00\x00os)R."), PickleError::Damaged(_)));
        assert!(matches!(refused(b"ctorch\nFloatStorage\n)R."), PickleError::Damaged(_)));
    }

    #[test]
    fn bombs_end_soon() {
        // a list in itself, lists of lists that would be 2^1000 values if they were copied, sizes beyond the file
        assert!(load(b"]2a.").is_ok());
        let mut doubling = b"]".to_vec();
        (0..1000).for_each(|_| doubling.extend(b"q\x00]h\x00ah\x00a"));
        doubling.push(b'.');
        assert!(load(&doubling).is_ok());
        for short in [
            &b"B\xff\xff\xff\xff"[..],
            b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff",
            b"(((((",
            b"\x8b\xff\xff\xff\x7f",
            b"c",
        ] {
            assert_eq!(refused(short), PickleError::Short);
        }
        assert_eq!(refused(&[b'N'].repeat(MOST_STEPS + 1)), PickleError::Long);
        // copies: a list of a thousand pairs made a dictionary a million times, names of a megabyte looked up
        let mut copies = b"(".to_vec();
        (0..1000).for_each(|_| copies.extend(b"NN\x86"));
        copies.extend(b"l\x85q\x00");
        (0..2000).for_each(|_| copies.extend(b"ccollections\nOrderedDict\nh\x00R0"));
        assert_eq!(refused(&copies), PickleError::Long);
        let long = [&b"B\x00\x00\x10\x00"[..], &[b'a'; 1 << 20], b"22\x93."].concat();
        assert!(matches!(refused(&long), PickleError::Damaged(_)));
        for damaged in [
            &b"."[..],
            b"N(.",
            b"h\x07.",
            b"e.",
            b"N(N0000.",
            b"K\x01K\x02s.",
            b"}(K\x01u.",
            b"\x8b\x20\x00\x00\x00aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.",
        ] {
            assert!(matches!(refused(damaged), PickleError::Damaged(_)), "{damaged:?}");
        }
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = load(&bytes);
        }

        #[test]
        fn foreign_programs_never_panic(codes in prop::collection::vec(prop::sample::select(&b"NK(012)t\x85\x86\x87]lae}dsuqhj\x94R Qb.\x93"[..]), 0..200)) {
            let _ = load(&codes);
        }
    }
}
