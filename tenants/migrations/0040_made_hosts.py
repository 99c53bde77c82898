from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tenants', '0030_tokens'),
    ]

    operations = [
        migrations.AddField(
            model_name='host',
            name='is_made',
            field=models.BooleanField(default=False, editable=False, verbose_name='made with the stack'),
        ),
        migrations.AddField(
            model_name='stack',
            name='hosts_state',
            field=models.CharField(blank=True, choices=[('', '–'), ('made', 'Never configured'), ('configured', 'Configured'), ('behind', 'Not configured as wanted')], default='', editable=False, max_length=16, verbose_name='made hosts'),
        ),
    ]
