//! A query with its responses, and what is to be learnt of them.

use apo_llama::PromptTree;

/// Which term of an objective a comparison belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// Golden above a sample: the first term of APO eq. 17.
    Game,
    /// People's preference, or the reward model's.
    Preference,
}

/// A comparison of two responses, numbered through the example's trees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preference {
    /// The better response.
    pub better: u32,
    /// The worse one.
    pub worse: u32,
    /// The term it belongs to.
    pub term: Term,
    /// How much it counts within its query.
    pub weight: f32,
}

/// A query with its responses, and what is to be learnt of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Example {
    /// The query's id; examples are shuffled by it, whatever order they came in.
    pub query_id: String,
    /// The responses; more than one tree where the prompt was cut differently.
    pub trees: Vec<PromptTree>,
    /// Comparisons of responses.
    pub preferences: Vec<Preference>,
    /// Responses whose likelihood is to rise.
    pub likely: Vec<u32>,
    /// The responses' log-probs under the reference, where they are known
    /// already: all of them, or none.
    pub reference: Vec<f32>,
    /// The prompt with another query's response: what the KL from the reference
    /// is estimated from, by losses that look at it.
    pub mismatched: Option<PromptTree>,
}

impl Example {
    /// Adds a response to a prompt and returns its number; responses to one
    /// prompt share a tree.
    pub fn add(&mut self, prompt: Vec<u32>, response: Vec<u32>) -> u32 {
        let mut number = 0;
        for tree in &self.trees {
            number += tree.responses.len() as u32;
        }
        // Only the last tree may grow: numbers count through the trees.
        match self.trees.last_mut() {
            Some(tree) if tree.prompt == prompt => tree.responses.push(response),
            _ => self.trees.push(PromptTree {
                prompt,
                responses: vec![response],
            }),
        }
        number
    }

    /// Returns how many responses there are.
    pub fn n_responses(&self) -> usize {
        self.trees.iter().map(|tree| tree.responses.len()).sum()
    }

    /// Returns all whose log-probs the reference gives, the mismatched last.
    pub(crate) fn referenced(&self) -> impl Iterator<Item = &PromptTree> {
        self.trees.iter().chain(&self.mismatched)
    }

    /// Returns how many responses these hold.
    pub(crate) fn n_referenced(&self) -> usize {
        self.referenced().map(|tree| tree.responses.len()).sum()
    }

    /// Returns how many tokens a forward pass computes.
    pub fn n_tokens(&self) -> usize {
        self.trees.iter().map(PromptTree::n_tokens).sum()
    }

    /// Writes the example as words.
    pub(crate) fn encode(&self) -> Vec<u32> {
        let mut words = Vec::with_capacity(self.n_tokens() + 32);
        let run = |words: &mut Vec<u32>, values: &[u32]| {
            words.push(values.len() as u32);
            words.extend_from_slice(values);
        };
        let id: Vec<u32> = self.query_id.bytes().map(u32::from).collect();
        run(&mut words, &id);
        words.push(self.trees.len() as u32);
        words.push(u32::from(self.mismatched.is_some()));
        for tree in self.referenced() {
            run(&mut words, &tree.prompt);
            words.push(tree.responses.len() as u32);
            for response in &tree.responses {
                run(&mut words, response);
            }
        }
        words.push(self.preferences.len() as u32);
        for preference in &self.preferences {
            let term = u32::from(preference.term == Term::Preference);
            let weight = preference.weight.to_bits();
            words.extend([preference.better, preference.worse, term, weight]);
        }
        run(&mut words, &self.likely);
        let reference: Vec<u32> = self.reference.iter().map(|it| it.to_bits()).collect();
        run(&mut words, &reference);
        words
    }

    /// Reads an example from its words.
    pub(crate) fn decode(words: &[u32]) -> Self {
        let mut words = Words(words);
        let id = words.run().iter().map(|&byte| byte as u8).collect();
        let query_id = String::from_utf8(id).expect("written from text");
        let (n_trees, n_mismatched) = (words.next(), words.next());
        let tree = |words: &mut Words<'_>| PromptTree {
            prompt: words.run(),
            responses: (0..words.next()).map(|_| words.run()).collect(),
        };
        let trees = (0..n_trees).map(|_| tree(&mut words)).collect();
        let mismatched = (n_mismatched > 0).then(|| tree(&mut words));
        let preferences = (0..words.next())
            .map(|_| Preference {
                better: words.next(),
                worse: words.next(),
                term: if words.next() == 1 {
                    Term::Preference
                } else {
                    Term::Game
                },
                weight: f32::from_bits(words.next()),
            })
            .collect();
        Self {
            query_id,
            trees,
            preferences,
            likely: words.run(),
            reference: words.run().into_iter().map(f32::from_bits).collect(),
            mismatched,
        }
    }
}

struct Words<'a>(&'a [u32]);

impl Words<'_> {
    fn next(&mut self) -> u32 {
        let (first, rest) = self.0.split_first().expect("an example is whole");
        self.0 = rest;
        *first
    }

    fn run(&mut self) -> Vec<u32> {
        let n = self.next() as usize;
        let (run, rest) = self.0.split_at(n);
        self.0 = rest;
        run.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_survives_its_words() {
        let mut example = Example {
            query_id: "0123abcd".into(),
            likely: vec![1],
            reference: vec![-1.5, -0.25, -3.0],
            ..Example::default()
        };
        assert_eq!(example.add(vec![1, 2], vec![3]), 0);
        assert_eq!(example.add(vec![1, 2], vec![4, 5]), 1);
        assert_eq!(example.add(vec![2], vec![6]), 2);
        assert_eq!(example.trees.len(), 2);
        example.preferences.push(Preference {
            better: 0,
            worse: 2,
            term: Term::Game,
            weight: 0.25,
        });
        assert_eq!(Example::decode(&example.encode()), example);
        example.mismatched = Some(PromptTree {
            prompt: vec![1, 2],
            responses: vec![vec![7]],
        });
        assert_eq!(Example::decode(&example.encode()), example);
        assert_eq!((example.n_responses(), example.n_referenced()), (3, 4));
    }
}
