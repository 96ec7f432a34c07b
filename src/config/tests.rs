use super::keys::TABLE;
#[test]
fn dump() {
    for key in TABLE {
        println!("DUMP\t{:?}\t{}\t{}", key.section, key.name, key.describe());
    }
}
