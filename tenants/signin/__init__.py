"""How people prove who they are: django-allauth with the portal's rules, words and audit trail."""
