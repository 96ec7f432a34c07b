//! Directory: all models, by name and alias.

use super::handle::ModelHandle;
use std::collections::HashMap;
use std::sync::Arc;

/// All models, by name and alias; made anew with each configuration.
pub struct Directory {
    models: Vec<Arc<ModelHandle>>,
    by_name: HashMap<String, Arc<ModelHandle>>,
}

impl Directory {
    /// The table of these models.
    pub fn new(models: Vec<Arc<ModelHandle>>) -> Self {
        let by_name = models
            .iter()
            .flat_map(|model| {
                let names = std::iter::once(&model.spec.name).chain(&model.spec.aliases);
                names.map(|name| (name.clone(), Arc::clone(model)))
            })
            .collect();
        Self { models, by_name }
    }

    /// The model with this name or alias.
    pub fn find(&self, name: &str) -> Option<&Arc<ModelHandle>> {
        self.by_name.get(name)
    }

    /// The one replica of this name, the first being called as its model.
    pub fn replica(&self, name: &str) -> Option<Arc<ModelHandle>> {
        let by_name = self.models.iter().find(|model| model.spec.name == name);
        let first = by_name.and_then(|model| model.replicas().into_iter().next());
        first.or_else(|| {
            let crew = self.models.iter().flat_map(|model| model.crew());
            crew.into_iter().find(|replica| replica.spec.name == name).cloned()
        })
    }

    /// All models, in the order of the configuration.
    pub fn models(&self) -> &[Arc<ModelHandle>] {
        &self.models
    }
}
