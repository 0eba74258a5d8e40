//! Something worth saying, and what the operator has to do about it.

/// What the operator has to do about a remark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The files are not in force everywhere.
    Fault,
    /// There is something else to look at.
    Trouble,
    /// It is worth knowing.
    Note,
}

/// Something worth saying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// What the operator has to do about it.
    pub weight: Weight,
    /// A sentence.
    pub text: String,
}

impl Remark {
    /// The files are not in force everywhere.
    pub fn fault(text: String) -> Self {
        let weight = Weight::Fault;
        Self { weight, text }
    }

    /// There is something else to look at.
    pub fn trouble(text: String) -> Self {
        let weight = Weight::Trouble;
        Self { weight, text }
    }

    /// It is worth knowing.
    pub fn note(text: String) -> Self {
        let weight = Weight::Note;
        Self { weight, text }
    }
}
