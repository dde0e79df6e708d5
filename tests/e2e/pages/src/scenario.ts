// What a scenario is. Refuses: state between two of them.

import type { Desk, Setting } from "./desk.ts";

/** One thing a user does, and what must come of it. */
export interface Scenario {
  /** What the table of results calls it. */
  readonly name: string;
  readonly setting?: Setting;
  /** Throws when something is not as it must be. Pictures are taken under a name, to be looked at. */
  readonly play: (desk: Desk, picture: (name: string) => Promise<void>) => Promise<void>;
}
