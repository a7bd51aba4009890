// A scrolling box that stays at its newest line until somebody scrolls up.

const NEAR = 24; // pixels from the end that still count as the end

export class Follower {
  isFollowing = true;
  #top = 0;

  /** box: what scrolls; content: the one element in it; button: leads back to the newest line. */
  constructor(box, content, button) {
    this.box = box;
    this.button = button;
    box.addEventListener("scroll", () => this.#look(), { passive: true });
    // Also when a line gets its real height only when it is drawn, or a phone's keyboard takes half of the box.
    const watch = new ResizeObserver(() => this.follow());
    watch.observe(box);
    watch.observe(content);
    button.addEventListener("click", () => { this.toEnd(); box.focus({ preventScroll: true }); });
  }

  /** Show the newest line where the box was at its end before it grew. */
  follow() {
    if (this.isFollowing) this.toEnd();
  }

  toEnd() {
    this.isFollowing = true;
    this.box.scrollTop = this.box.scrollHeight;
    this.button.hidden = true;
  }

  /** Show the oldest line, until there are new ones: what is there is read from its start. */
  toStart() {
    this.isFollowing = false;
    this.box.scrollTop = 0;
    this.button.hidden = true;
  }

  #look() {
    const { scrollTop, scrollHeight, clientHeight } = this.box;
    // Only upwards leaves the end: a box that has grown since it was scrolled is not at its end either.
    if (scrollHeight - clientHeight - scrollTop <= NEAR) this.isFollowing = true;
    else if (scrollTop < this.#top) this.isFollowing = false;
    this.#top = scrollTop;
    this.button.hidden = this.isFollowing;
  }
}
