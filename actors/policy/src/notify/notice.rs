//! What is told.

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NoticeKind {
    /// A model failed three times in a row, or its actor was given up.
    ModelFailed,
    /// A key has used 80 % of its budget.
    Budget80,
    /// A key has used its budget up, or is refused for what is left of it.
    Budget100,
    /// A device went offline.
    DeviceGone,
    /// It is there again.
    DeviceBack,
    /// The ledger can't be written: rows wait in the overflow file.
    RowsWaiting,
    /// The manager's certificate ends soon.
    Certificate,
    /// Somebody tests an outlet.
    Test,
}

impl NoticeKind {
    /// Those that an outlet can be told of; a test is told to the one that is tested.
    pub const ALL: [Self; 7] = [
        Self::ModelFailed,
        Self::Budget80,
        Self::Budget100,
        Self::DeviceGone,
        Self::DeviceBack,
        Self::RowsWaiting,
        Self::Certificate,
    ];

    /// The word for it.
    pub fn text(self) -> &'static str {
        match self {
            Self::ModelFailed => "model_failed",
            Self::Budget80 => "budget_80",
            Self::Budget100 => "budget_100",
            Self::DeviceGone => "device_gone",
            Self::DeviceBack => "device_back",
            Self::RowsWaiting => "rows_waiting",
            Self::Certificate => "certificate",
            Self::Test => "test",
        }
    }

    /// The kind of this word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.text() == word)
    }

    /// Whether somebody should look soon.
    pub fn is_urgent(self) -> bool {
        matches!(self, Self::ModelFailed | Self::Budget100 | Self::DeviceGone | Self::RowsWaiting)
    }

    /// What says that this is over.
    pub(super) fn opposite(self) -> Option<Self> {
        match self {
            Self::DeviceGone => Some(Self::DeviceBack),
            Self::DeviceBack => Some(Self::DeviceGone),
            _ => None,
        }
    }
}

/// One word to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What has happened.
    pub kind: NoticeKind,
    /// To what: a model, a key, a device, a file.
    pub subject: String,
    /// In a few words.
    pub title: String,
    /// In a sentence or two.
    pub text: String,
}
