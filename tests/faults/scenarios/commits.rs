//! The network goes away just after a commit was asked for: nobody can know whether it was carried out (G12).

use crate::desk::Desk;
use crate::model;
use crate::scenarios::Size;
use crate::witness::Handler;
use crate::world::{Setup, World};
use test_support::{Fault, eventually};

pub fn a_lost_acknowledgement_neither_loses_nor_doubles(size: &Size) {
    let world = World::new(&Setup { proxied: true, ..Setup::default() });
    let desk = Desk::new(&world);
    let network = world.network.as_ref().unwrap();
    for cut in 0..size.cuts {
        let delivered = cut % 2 == 0;
        // Claims, output and results are statements that commit themselves, heartbeats and rescues end with COMMIT. A task
        // that is asked for takes the first statements one after the other: claim, decision, output, result.
        let fault = match cut / 2 % 4 {
            0 => Fault::cut_at_commit(1 + cut % 3, delivered),
            statement => Fault::cut_at_statement(1 + (cut / 8 + statement) % 5, delivered),
        };
        network.set(fault);
        desk.ask(Handler::Quick);
        eventually("the commit was cut", || (network.cuts() > cut).then_some(()));
    }
    world.heal();
    let findings = model::check(&world, &desk);
    findings.assert_kept();
    assert!(findings.count("ok") >= size.cuts / 2, "{findings}");
}
