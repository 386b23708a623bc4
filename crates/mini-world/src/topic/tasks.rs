//! The everyday tasks.

/// An everyday task. A good answer gives all steps in order.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// What is asked for: "how do I …".
    pub ask: &'static str,
    /// What to do, in order.
    pub steps: &'static [&'static str],
}

/// The tasks.
pub const TASKS: &[Task] = &[
    Task {
        ask: "boil an egg",
        steps: &[
            "put the egg in cold water",
            "heat the water until it bubbles",
            "wait for eight minutes",
            "cool the egg in fresh water",
        ],
    },
    Task {
        ask: "make tea",
        steps: &[
            "warm the pot",
            "add one spoon of leaves",
            "let it stand for four minutes",
        ],
    },
    Task {
        ask: "bake bread",
        steps: &[
            "mix flour with water and yeast",
            "knead the dough for ten minutes",
            "let it rise for an hour",
            "bake it until it sounds hollow",
        ],
    },
    Task {
        ask: "cook rice",
        steps: &[
            "rinse the rice twice",
            "use two cups of water per cup",
            "simmer it under a lid",
        ],
    },
    Task {
        ask: "make a salad",
        steps: &[
            "wash the leaves well",
            "cut the vegetables small",
            "stir oil and lemon together",
            "pour the sauce on last",
        ],
    },
    Task {
        ask: "clean a window",
        steps: &[
            "dust the frame",
            "wipe the glass with soap",
            "dry it with a newspaper",
        ],
    },
    Task {
        ask: "wash a sweater",
        steps: &[
            "turn it inside out",
            "use cold water and mild soap",
            "press the water out",
            "dry it flat on a towel",
        ],
    },
    Task {
        ask: "iron a shirt",
        steps: &[
            "read the label",
            "begin with the collar",
            "go on to the sleeves",
            "hang it up at once",
        ],
    },
    Task {
        ask: "polish shoes",
        steps: &[
            "brush the dirt off",
            "rub in a little wax",
            "shine them with a soft cloth",
        ],
    },
    Task {
        ask: "sew on a button",
        steps: &[
            "thread a strong needle",
            "push it through each hole twice",
            "tie a knot at the back",
        ],
    },
    Task {
        ask: "change a tyre",
        steps: &[
            "park on flat ground",
            "loosen the nuts a little",
            "lift the car with the jack",
            "swap the wheel",
        ],
    },
    Task {
        ask: "patch a tube",
        steps: &[
            "find the hole in a bowl of water",
            "roughen the rubber around it",
            "glue the patch on firmly",
        ],
    },
    Task {
        ask: "hang a picture",
        steps: &[
            "mark the height with a pencil",
            "hammer the nail in",
            "check it with a level",
        ],
    },
    Task {
        ask: "paint a wall",
        steps: &[
            "cover the floor with paper",
            "fill the cracks",
            "roll from top to bottom",
            "give it a second coat",
        ],
    },
    Task {
        ask: "clear a drain",
        steps: &[
            "take the hair out",
            "pour in soda and vinegar",
            "flush it with boiling water",
        ],
    },
    Task {
        ask: "plant a tree",
        steps: &[
            "dig a wide hole",
            "spread the roots out",
            "fill in the soil",
            "water it every week",
        ],
    },
    Task {
        ask: "grow tomatoes",
        steps: &[
            "sow the seeds in spring",
            "keep them in full sun",
            "tie the stems to a stick",
            "pick them when they are red",
        ],
    },
    Task {
        ask: "mow the lawn",
        steps: &[
            "pick up stones and toys",
            "set the blades high",
            "walk in straight lines",
        ],
    },
    Task {
        ask: "keep a cat",
        steps: &[
            "give fresh food twice a day",
            "clean the box daily",
            "brush its fur weekly",
        ],
    },
    Task {
        ask: "walk a dog",
        steps: &[
            "clip the lead on",
            "choose a quiet street",
            "carry a bag for the mess",
        ],
    },
    Task {
        ask: "sleep better",
        steps: &[
            "go to bed at the same hour",
            "keep the room dark",
            "leave the phone in the kitchen",
        ],
    },
    Task {
        ask: "treat a burn",
        steps: &[
            "hold it under cool water",
            "take off any rings",
            "cover it with a clean cloth",
        ],
    },
    Task {
        ask: "stop a nosebleed",
        steps: &[
            "sit up and lean forward",
            "pinch the nose softly",
            "breathe through the mouth",
        ],
    },
    Task {
        ask: "learn a language",
        steps: &[
            "study ten words a day",
            "listen to songs and news",
            "talk with people who speak it",
        ],
    },
    Task {
        ask: "write a letter",
        steps: &[
            "put the date at the top",
            "greet the reader by name",
            "say why you write",
            "sign it by hand",
        ],
    },
    Task {
        ask: "save money",
        steps: &[
            "list what you spend",
            "set a limit for each month",
            "put the rest in the bank",
        ],
    },
    Task {
        ask: "pack a suitcase",
        steps: &[
            "lay out all your clothes",
            "roll the shirts tightly",
            "put heavy things near the wheels",
        ],
    },
    Task {
        ask: "take a photo",
        steps: &[
            "stand with the sun behind you",
            "hold the camera still",
            "focus on the eyes",
        ],
    },
];
