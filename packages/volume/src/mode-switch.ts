/**
 * Moving the volume between single-master and multi-master while it serves (DESIGN section 7).
 *
 *     want      compare-and-set `nextMode`       from here on no stream is opened
 *               each writer closes its own, or somebody recovers it
 *     finish    compare-and-set `mode`           only while no stream is open, so that exclusive and shared ones never race
 *
 * Whoever sees that no stream is open may finish: both steps know their own work again. A wish that is taken back before the end
 * (`want` of the present mode) costs the streams that were closed, and nothing else.
 */
import { openStreams, type Manifest, type Mode } from "@sixfold/model";
import type { ManifestRegister } from "./manifest-register.ts";

export class ModeSwitch {
  private readonly register: ManifestRegister;
  private finishing = false;

  constructor(register: ManifestRegister) {
    this.register = register;
  }

  /** `done` hears whether there is a volume, and whether this is news to it. */
  want(mode: Mode, done: (found: boolean, changed: boolean, now: number) => void, now: number): void {
    this.register.change(
      (m) => (m === undefined || m.nextMode === mode ? undefined : settled({ ...m, nextMode: mode })),
      ({ manifest, changed }, at) => done(manifest !== undefined, changed, at),
      now,
    );
  }

  /** `done` hears whether the mode was changed just now; nothing happens while a call is under way. */
  finish(done: (changed: boolean) => void, now: number): void {
    if (this.finishing) return;
    this.finishing = true;
    this.register.change(
      (m) => {
        const next = m === undefined ? undefined : settled(m);
        return next === m ? undefined : next;
      },
      ({ changed }) => {
        this.finishing = false;
        done(changed);
      },
      now,
    );
  }
}

/** The same manifest in the mode that is wanted, if nothing stands against it. */
function settled(m: Manifest): Manifest {
  return m.mode === m.nextMode || openStreams(m).length > 0 ? m : { ...m, mode: m.nextMode };
}
