"use strict";
// Chooses which story and which scene is seen.  All texts are in the page already; none is made into markup here.
(() => {
  const stories = [...document.querySelectorAll(".story")].map(section => ({
    section,
    scenes: [...section.querySelectorAll(".scene")],
    links: [...section.querySelectorAll(".steps a")],
    list: section.querySelector(".steps"),
    loop: "loop" in section.dataset ? Number(section.dataset.loop) : -1,
  }));
  if (!stories.length) return;
  document.documentElement.classList.add("js");
  const tells = [...document.querySelectorAll("a.tell")];
  const said = document.getElementById("said");
  let story = stories.find(one => one.section.classList.contains("current")) || stories[0];
  let at = 0, round = 1, timer = 0;

  const of = hash => {
    for (const one of stories) {
      const scene = one.scenes.findIndex(each => "#" + each.id === hash);
      if (scene >= 0) return [one, scene];
      if ("#" + one.section.id === hash) return [one, 0];
    }
    return null;
  };

  const next = () => (at + 1 < story.scenes.length ? at + 1 : story.loop);

  const keep = hash => {
    try { history.replaceState(null, "", hash); } catch { /* a frame without an address of its own */ }
  };

  const show = (one, scene, aloud, turn = 1) => {
    [story, at, round] = [one, scene, turn];
    for (const each of stories) each.section.classList.toggle("current", each === story);
    for (const each of tells) {
      if (each.hash.startsWith("#" + story.section.id + "-")) each.setAttribute("aria-current", "true");
      else each.removeAttribute("aria-current");
    }
    story.scenes.forEach((each, number) => each.classList.toggle("current", number === at));
    story.links.forEach((each, number) => {
      if (number === at) each.setAttribute("aria-current", "step");
      else each.removeAttribute("aria-current");
      each.parentElement.classList.toggle("done", number < at);
    });
    const place = story.scenes[at].querySelector(".round");
    if (place) place.textContent = round > 1 ? ", round " + round : "";
    for (const key of ["first", "back"]) disable(key, at === 0);
    for (const key of ["forward", "play"]) disable(key, next() < 0);
    disable("last", at === story.scenes.length - 1);
    reveal(story.links[at]);
    if (aloud) {
      keep("#" + story.scenes[at].id);
      const parts = [...story.scenes[at].querySelector("figcaption").children];
      said.textContent = parts.map(each => each.textContent.replace(/\s+/g, " ").trim()).join(". ").replaceAll("..", ".");
    }
  };

  const button = key => story.section.querySelector(".controls ." + key);
  const disable = (key, off) => button(key).setAttribute("aria-disabled", String(off));

  // Only the list itself is scrolled: the page stays where the reader has it.
  const reveal = link => {
    const inside = link.getBoundingClientRect(), around = story.list.getBoundingClientRect();
    if (inside.top < around.top) story.list.scrollTop -= around.top - inside.top + 40;
    else if (inside.bottom > around.bottom) story.list.scrollTop += inside.bottom - around.bottom + 40;
  };

  const stop = () => {
    clearTimeout(timer);
    timer = 0;
    for (const one of stories) label(one, "play", "Play");
  };
  const label = (one, picture, text) => {
    const play = one.section.querySelector(".controls .play");
    play.querySelector("use").setAttribute("href", "#i-" + picture);
    play.querySelector("span").textContent = text;
  };
  // As long as it takes to read the step.
  const tick = () => {
    if (next() < 0) return stop();
    const letters = story.scenes[at].querySelector(".text").textContent.length;
    timer = setTimeout(() => { go.forward(); tick(); }, 1200 + 35 * letters);
  };
  const play = () => {
    if (timer) return stop();
    if (next() < 0) return;
    label(story, "pause", "Pause");
    tick();
  };

  const go = {
    first: () => show(story, 0, true),
    back: () => {
      if (at === story.loop && round > 1) show(story, story.scenes.length - 1, true, round - 1);
      else if (at > 0) show(story, at - 1, true, round);
    },
    forward: () => { if (next() >= 0) show(story, next(), true, next() > at ? round : round + 1); },
    last: () => show(story, story.scenes.length - 1, true),
  };

  for (const one of stories) {
    for (const key of Object.keys(go)) {
      one.section.querySelector(".controls ." + key).addEventListener("click", () => { stop(); go[key](); });
    }
    one.section.querySelector(".controls .play").addEventListener("click", play);
    one.links.forEach((link, number) => link.addEventListener("click", event => {
      event.preventDefault();
      stop();
      show(one, number, true);
      const box = one.section.querySelector(".view");
      if (box.getBoundingClientRect().bottom < 200) box.scrollIntoView();
    }));
  }
  for (const each of tells) {
    each.addEventListener("click", event => {
      event.preventDefault();
      stop();
      const found = of(each.hash);
      show(found[0], found[1], true);
      story.section.scrollIntoView();
    });
  }
  const keys = { ArrowLeft: "back", ArrowRight: "forward", Home: "first", End: "last" };
  document.addEventListener("keydown", event => {
    const key = keys[event.key];
    if (!key || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    // Home and End belong to the page, unless the reader is in the player.
    if (event.key.length < 5 && !story.section.contains(document.activeElement)) return;
    event.preventDefault();
    stop();
    go[key]();
  });
  addEventListener("hashchange", () => {
    const found = of(location.hash);
    if (found) { stop(); show(found[0], found[1], true); }
  });

  const found = of(location.hash);
  if (found) {
    show(found[0], found[1], false);
    story.section.scrollIntoView();
  } else show(story, 0, false);
})();
