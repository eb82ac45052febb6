'use strict';
(() => {
  const byId = (id) => document.getElementById(id);
  const form = byId('form'), field = byId('token'), told = byId('told'), problem = byId('problem'), send = byId('send');

  // Tells the kind and the length of a text without showing it.
  const describe = (text) => {
    if (text === '') return 'It is not shown, not even to you.';
    if (/^dckr_[po]at_[\w-]*$/.test(text)) return (text.startsWith('dckr_oat_') ? 'An organization access token' : 'A personal access token') + ', ' + text.length + ' characters.';
    if (/^ey[\w-]+\.[\w-]+\.[\w-]+$/.test(text)) return 'A session, which ends soon, and not an access token.';
    if (/dckr_[po]at_[\w-]/.test(text)) return 'There is other text around an access token: copy the token alone.';
    if (/\s/.test(text.trim())) return 'There is white space in it: more than the token was copied.';
    return text.length + ' characters, of no form that is known.';
  };
  field.addEventListener('input', () => {
    told.textContent = describe(field.value.trim());
    problem.textContent = '';
  });

  const follow = () => {
    form.hidden = true;
    byId('follow').hidden = false;
    byId('following').focus();
    const source = new EventSource(form.action + '/progress');
    source.onmessage = (event) => {
      const line = JSON.parse(event.data);
      if (line.mark === 'end') {
        source.close();
        byId('end').textContent = 'purser is done. You can close this page.';
        return;
      }
      const item = document.createElement('li'), mark = document.createElement('span'), step = document.createElement('strong');
      item.className = line.mark;
      mark.textContent = (line.mark === 'ok' ? '✓' : '✗') + ' ';
      step.textContent = line.step;
      item.append(mark, step, ' ' + line.text);
      byId('lines').append(item);
    };
    source.onerror = () => {
      source.close();
      if (byId('end').textContent === '') byId('end').textContent = 'purser has ended. Look where you started it for what it said.';
    };
  };

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    send.disabled = true;
    problem.textContent = '';
    try {
      const answer = await fetch(form.action, {
        method: 'POST', headers: { Accept: 'application/json' }, cache: 'no-store', credentials: 'omit',
        body: new URLSearchParams(new FormData(form)),
      });
      field.value = '';
      if (answer.status === 202) {
        follow();
        return;
      }
      problem.textContent = (await answer.text()).trim() || 'purser did not take it.';
    } catch {
      problem.textContent = 'purser does not answer: this page has been used, or it waited too long.';
    }
    told.textContent = describe('');
    send.disabled = false;
    field.focus();
  });
})();
