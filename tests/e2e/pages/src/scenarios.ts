// The scenarios in the order of the table. Refuses: knowing how one is played.

import type { Scenario } from "./scenario.ts";
import { CHOOSING } from "./scenarios/choosing.ts";
import { DOORS } from "./scenarios/doors.ts";
import { LOOK_SCENARIOS } from "./scenarios/looks.ts";
import { MAKING } from "./scenarios/making.ts";
import { VIEWING } from "./scenarios/viewing.ts";

export const SCENARIOS: readonly Scenario[] = [...MAKING, ...VIEWING, ...CHOOSING, ...DOORS, ...LOOK_SCENARIOS];
