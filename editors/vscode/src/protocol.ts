// What the server says to this client beyond the Language Server Protocol, as it arrives.
// It refuses behaviour: only shapes and the names of methods are here.

import type { Range } from "vscode-languageclient/node";

/** The state of one document whose changes wait to be judged; sent anew whenever it differs. */
export const REVIEW = "familiar/review";
/** Code that is being written, drawn before it is an edit. */
export const PREVIEW = "familiar/preview";
/** The request that answers with the state of everything. */
export const STATUS = "familiar/status";

/** The parameters of `familiar/review`. */
export interface ReviewParams {
  readonly uri: string;
  readonly version: number;
  readonly changes: readonly WireChange[];
}

/** One change of a document that waits to be judged. */
export interface WireChange {
  readonly proposal: string;
  readonly file: number;
  readonly change: number;
  readonly title: string;
  readonly instruction: string | null;
  /** Whole lines of the new text; empty when lines were only removed. */
  readonly range: Range;
  readonly oldText: string;
  readonly newText: string;
  /** The user has typed in it since. */
  readonly touched: boolean;
  /** Versions of this edit that there are, and the one that is shown, from 1. */
  readonly candidates: number;
  readonly candidate: number;
}

/** The parameters of `familiar/preview`. */
export interface PreviewParams {
  readonly token: string | number;
  readonly uri: string;
  /** The lines that are being rewritten. */
  readonly range: Range;
  /** The code so far. */
  readonly text: string;
  readonly done: boolean;
}

/** One entry of the answer of `familiar.history`. */
export interface Past {
  readonly proposal: string;
  readonly createdMs: number;
  readonly title: string;
  readonly instruction: string | null;
  readonly states: readonly string[];
}

/** The part of the answer of `familiar/status` that is shown. */
export interface StatusAnswer {
  readonly model: {
    readonly name: string | null;
    /** `none`, `unusable`, `unloaded`, `loading` or `ready`. */
    readonly state: string;
    readonly problem: string | null;
    readonly hint: string | null;
  };
}
