// The scenarios in the order of the table. Refuses: knowing how one is played.

import type { Scenario } from "./scenario.ts";
import { MAKING } from "./scenarios/making.ts";

export const SCENARIOS: readonly Scenario[] = [...MAKING];
