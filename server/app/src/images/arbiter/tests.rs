//! The arbiter against a device of numbers: what may never happen, whatever comes in which order.

mod device;

use proptest::prelude::*;

use super::{Effect, Event, Held, LeaseId, ResidentKind};
use device::{Device, GIB};

/// One thing that happens; places are taken modulo what there is.
#[derive(Clone, Debug)]
enum Move {
    Ask { kind: ResidentKind, model: u8, working_gib: u8, priority: i8 },
    Release(usize),
    Carry(usize),
    FinishLoading(usize),
    Die(usize),
    Others(u8),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let kind = prop_oneof![Just(ResidentKind::Image), Just(ResidentKind::Chat), Just(ResidentKind::Embed)];
    let ask = (kind, 0..2_u8, 0..7_u8, 0..3_i8).prop_map(|(kind, model, working_gib, priority)| Move::Ask {
        kind,
        model,
        working_gib,
        priority,
    });
    let one = prop_oneof![
        4 => ask,
        3 => any::<usize>().prop_map(Move::Release),
        8 => any::<usize>().prop_map(Move::Carry),
        4 => any::<usize>().prop_map(Move::FinishLoading),
        1 => any::<usize>().prop_map(Move::Die),
        1 => (0..6_u8).prop_map(Move::Others),
    ];
    proptest::collection::vec(one, 0..120)
}

fn play(device: &mut Device, one: Move) {
    match one {
        Move::Ask { kind, model, working_gib, priority } => {
            let model = format!("{kind:?} {model}");
            device.ask(&model, kind, u64::from(working_gib) * GIB, priority.into());
        }
        Move::Release(at) => device.release_any(at),
        Move::Carry(at) => device.carry(at),
        Move::FinishLoading(at) => device.finish_loading(at),
        Move::Die(at) => device.die(at),
        Move::Others(gib) => device.others(u64::from(gib) * GIB),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    // The device checks each effect: over-commitment, eviction of what is in use, order, answers to what is over.
    #[test]
    fn nothing_forbidden_happens_and_everybody_gets_an_answer(total in 4..40_u64, moves in moves()) {
        let mut device = Device::new(total * GIB);
        for one in moves {
            play(&mut device, one);
        }
        device.come_to_rest();
    }
}

/// A device on which the language model is loaded and idle.
fn with_chat(total: u64) -> (Device, LeaseId) {
    let mut device = Device::new(total);
    let chat = device.ask("chat", ResidentKind::Chat, GIB, 0);
    device.work();
    assert!(device.is_granted(chat));
    (device, chat)
}

#[test]
fn a_hundred_images_displace_the_language_model_once() {
    let (mut device, chat) = with_chat(12 * GIB);
    device.release(chat);
    device.images_open = 100;
    for job in 0..100 {
        let image = device.ask("image", ResidentKind::Image, 4 * GIB, 0);
        device.work();
        assert!(device.is_granted(image), "job {job}");
        // Somebody asks in the middle and gives up.
        let asked = device.ask("chat", ResidentKind::Chat, GIB, 0);
        device.work();
        assert_eq!(device.held(asked), Some(Held::Images), "job {job}");
        device.release(asked);
        device.images_open -= 1;
        device.release(image);
        device.work();
    }
    assert_eq!((device.evictions("chat"), device.evictions("image"), device.restores), (1, 1, 1));
}

#[test]
fn a_language_model_comes_back_once_after_the_last_image_and_images_stay_for_a_while() {
    let (mut device, chat) = with_chat(12 * GIB);
    device.release(chat);
    device.images_open = 1;
    let image = device.ask("image", ResidentKind::Image, 4 * GIB, 0);
    device.work_without_lingering();
    assert!(device.is_granted(image));
    device.images_open = 0;
    device.release(image);
    device.work_without_lingering();
    assert_eq!((device.evictions("image"), device.restores), (0, 0), "the weights stay for a while");
    device.work();
    assert_eq!((device.evictions("image"), device.restores), (1, 1));
    device.work();
    assert_eq!(device.restores, 1);
}

#[test]
fn images_that_are_taken_back_while_their_model_loads_bring_the_language_model_back() {
    let (mut device, chat) = with_chat(12 * GIB);
    device.release(chat);
    device.images_open = 1;
    let image = device.ask("image", ResidentKind::Image, 4 * GIB, 0);
    while !device.is_granted(image) {
        device.carry(0);
    }
    device.images_open = 0;
    device.release(image);
    for _ in 0..10 {
        device.carry(0);
    }
    assert_eq!(device.restores, 0, "the image model is still on its way");
    device.die(0);
    device.work();
    assert_eq!(device.restores, 1);
}

#[test]
fn whoever_waits_for_the_room_of_idle_images_gets_it_at_once() {
    let (mut device, chat) = with_chat(12 * GIB);
    device.release(chat);
    device.images_open = 1;
    let image = device.ask("image", ResidentKind::Image, 4 * GIB, 0);
    device.work_without_lingering();
    let asked = device.ask("chat", ResidentKind::Chat, GIB, 0);
    device.work_without_lingering();
    assert_eq!(device.held(asked), Some(Held::Images));
    device.images_open = 0;
    device.release(image);
    device.work_without_lingering();
    assert!(device.is_granted(asked));
    assert_eq!((device.evictions("image"), device.restores), (1, 0));
}

#[test]
fn where_both_fit_nobody_waits() {
    let (mut device, chat) = with_chat(40 * GIB);
    device.images_open = 1;
    let image = device.ask("image", ResidentKind::Image, 4 * GIB, 0);
    let second = device.ask("chat", ResidentKind::Chat, GIB, 0);
    device.work();
    assert!([chat, image, second].into_iter().all(|lease| device.is_granted(lease)));
    assert_eq!(device.evictions("chat"), 0);
}

#[test]
fn an_answer_in_the_making_is_waited_for_and_none_begins_before_the_image() {
    let (mut device, chat) = with_chat(12 * GIB);
    device.images_open = 1;
    let image = device.ask("image", ResidentKind::Image, 4 * GIB, 0);
    let later = device.ask("chat", ResidentKind::Chat, 0, 9);
    device.work();
    assert_eq!((device.held(image), device.held(later)), (Some(Held::Busy), Some(Held::Images)));
    device.release(chat);
    device.work();
    assert!(device.is_granted(image) && !device.is_granted(later));
}

#[test]
fn what_never_fits_is_refused_with_numbers() {
    let mut device = Device::new(8 * GIB);
    device.images_open = 1;
    let image = device.ask("image", ResidentKind::Image, 20 * GIB, 0);
    device.work();
    assert_eq!(device.refused(image), Some((26 * GIB, 7 * GIB)));
    // A language model alone on the machine is tried all the same.
    device.images_open = 0;
    device.release(image);
    let chat = device.ask("chat", ResidentKind::Chat, 20 * GIB, 0);
    device.work();
    assert!(device.is_granted(chat));
}

#[test]
fn an_old_figure_decides_nothing() {
    let mut device = Device::new(12 * GIB);
    device.images_open = 1;
    let image = device.ask("image", ResidentKind::Image, GIB, 0);
    let effects = device.step(Event::Measured { number: 99, free_bytes: u64::MAX, total_bytes: u64::MAX });
    assert_eq!(effects, [], "{effects:?}");
    assert!(!device.is_granted(image));
    let effects = device.step(Event::LingerOver(7));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Evict(_))));
}
