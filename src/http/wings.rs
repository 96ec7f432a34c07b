//! What the three wings are given, made and replaced together.

use super::access::entrance::Entrance;
use super::api::management::Management;
use super::gateway::forwarding::Forwarding;
use super::state::Current;

/// What each wing is given of actors and settings.
#[derive(Clone)]
pub struct Wings {
    pub entrance: Entrance,
    pub forwarding: Forwarding,
    pub management: Management,
}

/// Where they are found; cheap to clone.
#[derive(Clone)]
pub struct InForce {
    pub entrance: Current<Entrance>,
    pub forwarding: Current<Forwarding>,
    pub management: Current<Management>,
}

impl InForce {
    /// These settings, until others take their place.
    pub fn new(wings: Wings) -> Self {
        let Wings { entrance, forwarding, management } = wings;
        Self {
            entrance: Current::new(entrance),
            forwarding: Current::new(forwarding),
            management: Current::new(management),
        }
    }

    pub fn wings(&self) -> Wings {
        Wings {
            entrance: Entrance::clone(&self.entrance.now()),
            forwarding: Forwarding::clone(&self.forwarding.now()),
            management: Management::clone(&self.management.now()),
        }
    }

    /// Puts others in force, for requests that come from now on.
    pub fn replace(&self, wings: Wings) {
        let Wings { entrance, forwarding, management } = wings;
        self.entrance.replace(entrance);
        self.forwarding.replace(forwarding);
        self.management.replace(management);
    }
}
