//! The texts of Appendix A: built in, or from files.

/// What is asked after a bare refusal.
pub(crate) const WHY: &str = "why?";

const SYSTEM: &str = include_str!("../../../pipelines/prompts/golden-system.txt");
const REFUSALS: &str = include_str!("../../../pipelines/prompts/refusals.txt");

/// The system prompt, and the texts that replace policy errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompts {
    /// Code 1.
    pub system: String,
    /// Code 2; one or more.
    pub refusals: Vec<String>,
}

impl Prompts {
    /// Reads a system prompt: the whole text, stripped.
    ///
    /// # Errors
    ///
    /// When it is empty.
    pub fn parse_system(text: &str) -> Result<String, &'static str> {
        match text.trim() {
            "" => Err("it is empty; expected a system prompt"),
            text => Ok(text.to_owned()),
        }
    }

    /// Reads refusal texts: one on each line, stripped; empty lines do not count.
    ///
    /// # Errors
    ///
    /// When there are none.
    pub fn parse_refusals(text: &str) -> Result<Vec<String>, &'static str> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let texts: Vec<String> = lines.map(str::to_owned).collect();
        if texts.is_empty() {
            return Err("it is empty; expected refusal texts, one on each line");
        }
        Ok(texts)
    }
}

impl Default for Prompts {
    fn default() -> Self {
        Self {
            system: Self::parse_system(SYSTEM).expect("the built-in prompt is filled"),
            refusals: Self::parse_refusals(REFUSALS).expect("the built-in texts are filled"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_texts_are_the_papers() {
        let prompts = Prompts::default();
        assert!(
            prompts
                .system
                .starts_with("You are a helpful and harmless assistant. Please try")
        );
        assert!(
            prompts
                .system
                .ends_with("Do not mention you are an AI developed by OpenAI.")
        );
        assert_eq!(prompts.refusals.len(), 3);
        for text in &prompts.refusals {
            assert!(text.contains("potentially harmful content"), "{text}");
        }
    }

    #[test]
    fn texts_are_read_stripped_and_must_not_be_empty() {
        assert_eq!(
            Prompts::parse_system("\n Be kind.\nAlways. \n"),
            Ok("Be kind.\nAlways.".into())
        );
        assert_eq!(
            Prompts::parse_refusals("No.\r\n\n  Never. \n"),
            Ok(vec!["No.".into(), "Never.".into()])
        );
        assert!(Prompts::parse_system(" \n").is_err());
        assert!(Prompts::parse_refusals("\n\n").is_err());
    }
}
