// What goes wrong with a security key is said beside its button: allauth's script only logs it.
document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  const button = document.querySelector("[id^=key-]");
  let note = document.getElementById("key-note");
  if (!note) {
    note = document.createElement("p");
    note.id = "key-note";
    note.className = "o-wrong";
    note.setAttribute("role", "alert");
    button.after(note);
  }
  note.textContent = button.dataset.failed || event.detail.exception.message;
});
