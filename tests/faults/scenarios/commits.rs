//! The network goes away just after COMMIT was sent: nobody can know whether it was carried out (G12).

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
        // Commits of claims, of output, of results and of heartbeats are all among them.
        network.set(Fault::cut_at_commit(1 + cut % 3, cut % 2 == 0));
        desk.ask(Handler::Quick);
        eventually("the commit was cut", || (network.cuts() > cut).then_some(()));
    }
    world.heal();
    let findings = model::check(&world, &desk);
    findings.assert_kept();
    assert!(findings.count("ok") >= size.cuts / 2, "{findings}");
}
