//! Is the file of that name still the one that was opened? Decided by what the file system and the file's own
//! bytes say, before and after each transaction.

/// What tells a ledger's file from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Print {
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
pub enum Whose {
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
pub struct Head {
    /// Counts the changes of the file; never goes back.
    pub changes: u32,
    /// The size that it should have, in bytes.
    pub size: u64,
    /// Who has written it.
    pub whose: Whose,
}

/// What has become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
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
pub fn is_suspicious(before: &Print, now: &Print) -> bool {
    before != now
}

/// Compares. `now` is `None` when there is no file of that name, `head` when it doesn't begin as a ledger does.
pub fn judge(before: &Print, changes: u32, now: Option<&Print>, head: Option<&Head>) -> Verdict {
    let Some(now) = now else { return Verdict::Missing };
    if (now.device, now.inode) != (before.device, before.inode) {
        return Verdict::Other;
    }
    match head {
        None => Verdict::Overwritten,
        Some(head) if head.whose == Whose::Anothers || head.changes < changes => Verdict::Overwritten,
        Some(head) if now.size < head.size => Verdict::CutOff,
        Some(_) => Verdict::Same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_lose_a_file() {
        let before = Print { device: 1, inode: 2, size: 8192, changed: 5 };
        let head = Head { changes: 7, size: 8192, whose: Whose::Ours };
        let grown = Print { size: 12_288, changed: 6, ..before };
        assert!(!is_suspicious(&before, &before) && is_suspicious(&before, &grown));
        let same = judge(&before, 7, Some(&grown), Some(&Head { changes: 8, size: 12_288, ..head }));
        assert_eq!(same, Verdict::Same);
        assert_eq!(judge(&before, 7, None, None), Verdict::Missing);
        assert_eq!(judge(&before, 7, Some(&Print { inode: 3, ..before }), Some(&head)), Verdict::Other);
        assert_eq!(judge(&before, 7, Some(&Print { device: 3, ..before }), Some(&head)), Verdict::Other);
        assert_eq!(judge(&before, 7, Some(&Print { size: 0, ..before }), None), Verdict::Overwritten);
        assert_eq!(judge(&before, 8, Some(&before), Some(&head)), Verdict::Overwritten, "an older copy");
        let anothers = Head { changes: 9, whose: Whose::Anothers, ..head };
        assert_eq!(
            judge(&before, 7, Some(&grown), Some(&anothers)),
            Verdict::Overwritten,
            "cp of a newer one"
        );
        let short = Print { size: 4096, ..before };
        assert_eq!(judge(&before, 7, Some(&short), Some(&head)), Verdict::CutOff);
        assert_eq!(judge(&before, 7, Some(&short), Some(&anothers)), Verdict::Overwritten, "cp at work");
        let silent = Head { whose: Whose::Unknown, ..head };
        assert_eq!(judge(&before, 7, Some(&grown), Some(&silent)), Verdict::Same);
    }
}
