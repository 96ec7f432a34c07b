//! Is the file of that name still the one that was opened? Decided by what the file system and the file's own
//! bytes say, before and after each transaction.

/// What tells a ledger's file from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileIdentity {
    /// The device that it is on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// Its bytes.
    pub size: u64,
    /// When it was last changed, in any unit.
    pub changed: i128,
}

/// Whose it is, by what each start of a manager changes in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileOwner {
    /// It doesn't say.
    #[default]
    Unknown,
    /// What this start has written, or found, is in it.
    Ours,
    /// What another start has written is in it, or it is a copy that no start has opened yet.
    Anothers,
}

/// What its bytes say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileHead {
    /// Counts the changes of the file; never goes back.
    pub changes: u32,
    /// The size that it should have, in bytes.
    pub size: u64,
    /// Who has written it.
    pub whose: FileOwner,
}

/// What has become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileCheck {
    /// It is the same.
    Same,
    /// No file has that name.
    Missing,
    /// Another file has that name.
    Other,
    /// Its content was replaced: it is empty, or no ledger, or another one, or an older one.
    Overwritten,
    /// A part of it is missing.
    CutOff,
}

/// True where the first bytes must be looked at, too.
pub fn is_suspicious(before: &FileIdentity, now: &FileIdentity) -> bool {
    before != now
}

/// Compares. `now` is `None` when there is no file of that name, `head` when it doesn't begin as a ledger does.
pub fn judge(
    before: &FileIdentity,
    changes: u32,
    now: Option<&FileIdentity>,
    head: Option<&FileHead>,
) -> FileCheck {
    let Some(now) = now else { return FileCheck::Missing };
    if (now.device, now.inode) != (before.device, before.inode) {
        return FileCheck::Other;
    }
    match head {
        None => FileCheck::Overwritten,
        Some(head) if head.whose == FileOwner::Anothers || head.changes < changes => FileCheck::Overwritten,
        Some(head) if now.size < head.size => FileCheck::CutOff,
        Some(_) => FileCheck::Same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_lose_a_file() {
        let before = FileIdentity { device: 1, inode: 2, size: 8192, changed: 5 };
        let head = FileHead { changes: 7, size: 8192, whose: FileOwner::Ours };
        let grown = FileIdentity { size: 12_288, changed: 6, ..before };
        assert!(!is_suspicious(&before, &before) && is_suspicious(&before, &grown));
        let same = judge(&before, 7, Some(&grown), Some(&FileHead { changes: 8, size: 12_288, ..head }));
        assert_eq!(same, FileCheck::Same);
        assert_eq!(judge(&before, 7, None, None), FileCheck::Missing);
        assert_eq!(
            judge(&before, 7, Some(&FileIdentity { inode: 3, ..before }), Some(&head)),
            FileCheck::Other
        );
        assert_eq!(
            judge(&before, 7, Some(&FileIdentity { device: 3, ..before }), Some(&head)),
            FileCheck::Other
        );
        assert_eq!(
            judge(&before, 7, Some(&FileIdentity { size: 0, ..before }), None),
            FileCheck::Overwritten
        );
        assert_eq!(judge(&before, 8, Some(&before), Some(&head)), FileCheck::Overwritten, "an older copy");
        let anothers = FileHead { changes: 9, whose: FileOwner::Anothers, ..head };
        assert_eq!(
            judge(&before, 7, Some(&grown), Some(&anothers)),
            FileCheck::Overwritten,
            "cp of a newer one"
        );
        let short = FileIdentity { size: 4096, ..before };
        assert_eq!(judge(&before, 7, Some(&short), Some(&head)), FileCheck::CutOff);
        assert_eq!(judge(&before, 7, Some(&short), Some(&anothers)), FileCheck::Overwritten, "cp at work");
        let silent = FileHead { whose: FileOwner::Unknown, ..head };
        assert_eq!(judge(&before, 7, Some(&grown), Some(&silent)), FileCheck::Same);
    }
}
