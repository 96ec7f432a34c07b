//! Why a job waits: Slurm's reason in a sentence, and whether waiting can help.

/// Why a job waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Slurm's own word.
    pub reason: String,
    /// What it means, and who can change it.
    pub sentence: String,
    /// Nothing that the cluster does by itself will start it.
    pub hopeless: bool,
}

/// What Slurm's reason for a pending job says. What isn't in the table is quoted as it is.
pub fn waits_for(reason: &str) -> Wait {
    let (hopeless, sentence) = match reason {
        "" | "None" => (false, "Slurm hasn't looked at the job yet"),
        "Priority" | "JobArrayTaskLimit" => (false, "jobs with a higher priority are before it"),
        "Resources" => (false, "all nodes that fit are in use"),
        "BeginTime" => (false, "its begin time has not come yet"),
        "Licenses" => (false, "a licence that it needs is in use"),
        "Reservation" => (false, "its reservation has not begun"),
        "Prolog" => (false, "its node runs the prolog"),
        "Cleaning" => (false, "Slurm still cleans up an earlier run of it"),
        "FrontEndDown" => (false, "no front end node is up"),
        "Dependency" => (false, "a job that it depends on has not ended"),
        "DependencyNeverSatisfied" => {
            (true, "a job that it depends on failed; take the dependency out of `extra`")
        }
        "JobHeldUser" => (false, "it is held by its user; release it with `scontrol release`"),
        "JobHeldAdmin" => (false, "it is held by an administrator of the cluster; ask for its release"),
        "JobHoldMaxRequeue" => (true, "it is held because it was requeued too often"),
        "BadConstraints" => {
            (true, "no node has what it asks for; change `gres`, `constraint`, `mem` or `cpus`")
        }
        "PartitionDown" => (false, "the partition is down"),
        "PartitionInactive" => (false, "the partition is inactive"),
        "PartitionTimeLimit" => {
            (true, "`time` is longer than the partition allows; choose less or another partition")
        }
        "PartitionNodeLimit" => (true, "`nodes` is more than the partition allows or has"),
        "PartitionConfig" => (true, "it asks for more than the partition allows"),
        "AccountNotAllowed" => (true, "the partition doesn't take its `account`"),
        "QOSNotAllowed" => (true, "the partition or the account doesn't take its `qos`"),
        "InvalidAccount" => (true, "its `account` isn't known to Slurm"),
        "InvalidQOS" => (true, "its `qos` isn't known to Slurm"),
        "AssociationJobLimit" => (false, "the account has as many jobs as it may have"),
        "AssociationResourceLimit" => (false, "the account uses as much as it may use"),
        "AssociationTimeLimit" => (true, "the account has used up its time"),
        "QOSJobLimit" => (false, "the qos has as many jobs as it may have"),
        "QOSResourceLimit" => (false, "the qos uses as much as it may use"),
        "QOSTimeLimit" => (true, "the qos has used up its time"),
        "QOSUsageThreshold" => (true, "the qos is used by too many"),
        "NodeDown" => (false, "a node that it needs is down"),
        "ReqNodeNotAvail" => (false, "a node that it asks for is down, drained or reserved"),
        "JobLaunchFailure" => (true, "an earlier launch of it failed"),
        "SystemFailure" => (false, "Slurm reports a failure of the system"),
        other => return unlisted(other),
    };
    Wait { reason: reason.to_owned(), sentence: sentence.to_owned(), hopeless }
}

/// Families of reasons, and sentences that Slurm writes itself.
fn unlisted(reason: &str) -> Wait {
    let limit = |owner: &str, whole: bool| {
        let sentence = if whole {
            format!("one job of this {owner} may not ask for so much")
        } else {
            format!("the {owner} is at one of its limits")
        };
        Wait { reason: reason.to_owned(), sentence, hopeless: whole }
    };
    // "per job" limits never pass by themselves; those of a group do as others end.
    let per_job = reason.contains("PerJob") || reason.contains("Minutes") && reason.contains("Max");
    if reason.starts_with("QOS") {
        return limit("qos", per_job);
    }
    if reason.starts_with("Assoc") || reason.starts_with("MaxAssoc") {
        return limit("account", per_job);
    }
    if let Some(nodes) = reason.strip_prefix("ReqNodeNotAvail") {
        let sentence = format!(
            "a node that it asks for is down, drained or reserved ({})",
            nodes.trim_matches([',', ' '])
        );
        return Wait { reason: reason.to_owned(), sentence, hopeless: false };
    }
    Wait { reason: reason.to_owned(), sentence: format!("Slurm says: {reason}"), hopeless: false }
}

#[cfg(test)]
mod tests {
    use super::waits_for;

    /// Those of `squeue`'s manual. Whether waiting helps says whether a start goes on.
    #[test]
    fn each_reason_of_the_manual_is_known() {
        let passes = [
            "",
            "None",
            "Priority",
            "JobArrayTaskLimit",
            "Resources",
            "BeginTime",
            "Licenses",
            "Reservation",
            "Prolog",
            "Cleaning",
            "FrontEndDown",
            "Dependency",
            "JobHeldUser",
            "JobHeldAdmin",
            "PartitionDown",
            "PartitionInactive",
            "AssociationJobLimit",
            "AssociationResourceLimit",
            "QOSJobLimit",
            "QOSResourceLimit",
            "NodeDown",
            "ReqNodeNotAvail",
            "SystemFailure",
        ];
        let stays = [
            "DependencyNeverSatisfied",
            "JobHoldMaxRequeue",
            "BadConstraints",
            "PartitionTimeLimit",
            "PartitionNodeLimit",
            "PartitionConfig",
            "AccountNotAllowed",
            "QOSNotAllowed",
            "InvalidAccount",
            "InvalidQOS",
            "AssociationTimeLimit",
            "QOSTimeLimit",
            "QOSUsageThreshold",
            "JobLaunchFailure",
        ];
        let all = passes.iter().map(|one| (one, false)).chain(stays.iter().map(|one| (one, true)));
        for (reason, hopeless) in all {
            let wait = waits_for(reason);
            assert_eq!((wait.hopeless, wait.reason.as_str()), (hopeless, *reason));
            let guessed = ["Slurm says", "one job of this", "the qos is at", "the account is at"];
            assert!(
                !guessed.iter().any(|words| wait.sentence.starts_with(words)),
                "{reason}: {}",
                wait.sentence
            );
        }
    }

    #[test]
    fn each_reason_has_its_sentence() {
        let cases = [
            ("Resources", false, "all nodes that fit are in use"),
            (
                "PartitionTimeLimit",
                true,
                "`time` is longer than the partition allows; choose less or another partition",
            ),
            ("JobHeldUser", false, "it is held by its user; release it with `scontrol release`"),
            ("QOSMaxGRESPerUser", false, "the qos is at one of its limits"),
            ("QOSMaxCpuPerJobLimit", true, "one job of this qos may not ask for so much"),
            ("AssocGrpGRES", false, "the account is at one of its limits"),
            (
                "ReqNodeNotAvail, UnavailableNodes:n1",
                false,
                "a node that it asks for is down, drained or reserved (UnavailableNodes:n1)",
            ),
            (
                "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions",
                false,
                "Slurm says: Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions",
            ),
        ];
        for (reason, hopeless, sentence) in cases {
            let wait = waits_for(reason);
            assert_eq!((wait.hopeless, wait.sentence.as_str()), (hopeless, sentence), "{reason}");
        }
    }
}
